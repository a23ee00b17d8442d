internal import FlashIO
internal import FlashModel
internal import FlashWeights
internal import FlashWindow

/// One row of a comparison of modes: means over all decode passes of all repetitions.
struct ModeRow: Sendable {
  var entry: ModeComparison.Entry
  var outcome: DecodePasses.Outcome
  var test: BenchTest
  /// Tokens a second of the dense row; nil for that row.
  var dense: Double?
  var certificate: Certificate?

  private var configuration: BenchConfiguration { entry.configuration }
  private var isLossy: Bool { configuration.mode.isLossy }
  private var rates: [Double] {
    outcome.samples.map { Double(test.generationCount) * 1e9 / Double(max(1, $0.nanoseconds)) }
  }
  /// Tokens a second.
  var rate: Double { SampleMath.mean(rates) }

  private func perToken(_ value: Int) -> Double {
    Double(value) / Double(test.generationCount * outcome.samples.count)
  }

  private var bytesPerToken: Double { perToken(outcome.total.reads.byteCount) }
  private var readsPerToken: Double { perToken(outcome.total.reads.readCount) }
  private var stall: Double {
    let nanoseconds = outcome.samples.reduce(0) { $0 + $1.nanoseconds }
    return Double(outcome.total.stallNanoseconds) / Double(max(1, nanoseconds))
  }

  /// As the certificate has it: exact is equal to dense, bit for bit.
  private var perplexity: Certificate.Estimate? {
    isLossy ? certificate?.predictedPerplexity : certificate?.densePerplexity
  }

  func record(_ model: ModelLabel) -> BenchRecord {
    BenchRecord(fields: model.fields + fields, cells: cells)
  }

  private var fields: [BenchRecord.Field] {
    let lossy = isLossy ? certificate : nil
    return [
      .init("mode", .text(outcome.label.mode)), .init("cache_policy", .text(entry.policy?.name)),
      .init("lossless", .flag(!isLossy)), .init("n_threads", .integer(outcome.label.threadCount)),
      .init("n_prompt", .integer(test.promptCount)),
      .init("n_gen", .integer(test.generationCount)),
      .init("mem_limit", .integer(configuration.plan.limit)), .init("avg_ts", .number(rate)),
      .init("stddev_ts", .number(SampleMath.deviation(rates))),
      .init("samples_ts", .list(rates.map { .number($0) })),
      .init("ratio_to_dense", .number(dense.map { rate / $0 })),
      .init("bytes_per_token", .integer(Int(bytesPerToken))),
      .init("reads_per_token", .number(readsPerToken)),
      .init("cache_hit", .number(outcome.hitRate)), .init("stall", .number(stall)),
      .init("predictor_ns", .integer(Int(perToken(outcome.total.predictorNanoseconds)))),
      .init("peak_rss", .integer(outcome.peakByteCount)),
      .init("perplexity", .number(perplexity?.value)),
      .init("perplexity_stderr", .number(perplexity?.standardError)),
      .init("perplexity_change", .number(isLossy ? lossy?.perplexityChange : 0)),
      .init("kl_divergence", .number(isLossy ? lossy?.meanKLDivergence : 0)),
      .init("top_token_agreement", .number(isLossy ? lossy?.topTokenAgreement : 1)),
      .init("io_backend", .text(outcome.label.engine)),
      .init("isa", .text(outcome.label.instructionSet)),
    ]
  }

  private var cells: [BenchRecord.Cell] {
    func percent(_ value: Double?) -> String {
      value.map { Units.fixed($0 * 100, decimals: 1) + "%" } ?? "-"
    }
    let price = perplexity.map {
      Units.fixed($0.value, decimals: 3) + " ± " + Units.fixed($0.standardError, decimals: 3)
    }
    let change = isLossy ? certificate.map { CertificateSummary.change($0.perplexityChange) } : nil
    return [
      .init("mode", outcome.label.mode, width: 9, isNumber: false),
      .init("policy", entry.policy?.name ?? "-", width: 6, isNumber: false),
      .init("mem_limit", configuration.limitText, width: 14),
      .init("threads", String(outcome.label.threadCount), width: 7),
      .init("tok/s", BenchResult.rate(rates), width: 12),
      .init("ratio", dense.map { Units.fixed(rate / $0, decimals: 2) + "x" } ?? "-", width: 6),
      .init("bytes/token", Units.bytes(Int(bytesPerToken)), width: 11),
      .init("reads/token", String(Int(readsPerToken)), width: 11),
      .init("hit", percent(outcome.hitRate), width: 6), .init("stall", percent(stall), width: 6),
      .init("peak_rss", outcome.peakByteCount.map(Units.bytes) ?? "-", width: 9),
      .init("perplexity", price ?? "-", width: 15), .init("change", change ?? "-", width: 7),
    ]
  }
}
