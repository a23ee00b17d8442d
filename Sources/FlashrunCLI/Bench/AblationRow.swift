internal import FlashIO
internal import FlashModel
internal import FlashWindow

/// One row of the ablation: means over all decode passes of all repetitions.
struct AblationRow: Sendable {
  var step: AblationStep
  /// The rows of this ablation.
  var steps: [AblationStep]
  var configuration: BenchConfiguration
  var outcome: DecodePasses.Outcome
  var test: BenchTest
  /// Milliseconds a token of the row above.
  var previous: Double?

  /// Of the decode passes; at least one.
  private var samples: [BenchSample] { outcome.samples }
  private var label: OpenModelLabel { outcome.label }
  private var total: DecoderStatistics { outcome.total }
  private var tokenCount: Double { Double(test.generationCount * samples.count) }
  private func perToken(_ value: Int) -> Double { Double(value) / tokenCount }

  /// Milliseconds a token, of each repetition and over all.
  private var sampleMilliseconds: [Double] {
    samples.map { Double($0.nanoseconds) / 1e6 / Double(test.generationCount) }
  }
  var milliseconds: Double { SampleMath.mean(sampleMilliseconds) }
  /// Milliseconds a token in which reads were under way.
  var ioMilliseconds: Double { perToken(total.readNanoseconds) / 1e6 }
  /// Milliseconds a token in which arithmetic waited for them.
  private var stallMilliseconds: Double { perToken(total.stallNanoseconds) / 1e6 }
  var arithmeticMilliseconds: Double { perToken(total.arithmeticNanoseconds) / 1e6 }
  /// Milliseconds a token of the arithmetic's in which predictors named neurons; nil without them.
  private var predictorMilliseconds: Double? {
    configuration.mode == .predicted ? perToken(total.predictorNanoseconds) / 1e6 : nil
  }
  var bytesPerToken: Double { perToken(total.reads.byteCount) }
  var readsPerToken: Double { perToken(total.reads.readCount) }

  /// Bytes a second while reads were under way; nil where there were none.
  private var bandwidth: Double? {
    ioMilliseconds > 0 ? bytesPerToken / ioMilliseconds * 1e3 : nil
  }
  private var rates: [Double] { sampleMilliseconds.map { 1e3 / $0 } }
  private var ratio: Double? { previous.map { $0 / milliseconds } }

  /// Weights that the plan keeps in DRAM, the window among them.
  private var residentByteCount: Int {
    let names = ["weights", "deciding rows", "predictor", "window"]
    return configuration.plan.items.reduce(0) { sum, item in
      names.contains(item.name) ? sum + item.byteCount : sum
    }
  }

  /// `naive to overlap: bytes 68x less, I/O time 21x less, 14x as fast`.
  func comparison(with first: AblationRow) -> String {
    func times(_ more: Double, _ less: Double) -> String {
      less > 0 ? Units.threeDigits(more / less) + "x" : "all"
    }
    return "\(first.step.rawValue) to \(step.rawValue): "
      + "\(times(first.bytesPerToken, bytesPerToken)) fewer bytes, "
      + "\(times(first.ioMilliseconds, ioMilliseconds)) less I/O time, "
      + "\(times(first.milliseconds, milliseconds)) as fast; all rows "
      + (configuration.mode.isLossy ? "of one mode " : "") + "chose the same tokens"
  }

  func record(_ model: ModelLabel) -> BenchRecord {
    BenchRecord(fields: model.fields + fields, cells: cells)
  }

  private var fields: [BenchRecord.Field] {
    func has(_ other: AblationStep) -> BenchValue { .flag(step.has(other, in: steps)) }
    return [
      .init("step", .text(step.rawValue)), .init("hybrid", has(.hybrid)),
      .init("sparsity", has(.sparsity)), .init("window", has(.window)),
      .init("bundling", has(.bundling)), .init("overlap", has(.overlap)),
      .init("n_threads", .integer(label.threadCount)),
      .init("n_prompt", .integer(test.promptCount)),
      .init("n_gen", .integer(test.generationCount)),
      .init("mem_limit", .integer(configuration.plan.limit)),
      .init("dram_bytes", .integer(residentByteCount)),
      .init("bytes_per_token", .integer(Int(bytesPerToken))),
      .init("reads_per_token", .number(readsPerToken)),
      .init("bytes_per_s", .number(bandwidth)), .init("io_ms", .number(ioMilliseconds)),
      .init("stall_ms", .number(stallMilliseconds)),
      .init("arithmetic_ms", .number(arithmeticMilliseconds)),
      .init("predictor_ms", .number(predictorMilliseconds)),
      .init("total_ms", .number(milliseconds)),
      .init("stddev_ms", .number(SampleMath.deviation(sampleMilliseconds))),
      .init("avg_ts", .number(SampleMath.mean(rates))),
      .init("stddev_ts", .number(SampleMath.deviation(rates))),
      .init("ratio", .number(ratio)), .init("cache_hit", .number(outcome.hitRate)),
      .init("peak_rss", .integer(outcome.peakByteCount)), .init("io_backend", .text(label.engine)),
      .init("mode", .text(label.mode)), .init("isa", .text(label.instructionSet)),
      .init("samples_ms", .list(sampleMilliseconds.map { .number($0) })),
    ]
  }

  private var cells: [BenchRecord.Cell] {
    func mark(_ other: AblationStep) -> String { step.has(other, in: steps) ? "x" : "-" }
    func gigabytes(_ bytes: Double) -> String { Units.fixed(bytes / 1e9, decimals: 3) }
    return [
      .init("step", step.title, width: 10, isNumber: false),
      .init("hybrid", mark(.hybrid), width: 6, isNumber: false),
      .init("sparsity", mark(.sparsity), width: 8, isNumber: false),
      .init("window", mark(.window), width: 6, isNumber: false),
      .init("bundle", mark(.bundling), width: 6, isNumber: false),
      .init("overlap", mark(.overlap), width: 7, isNumber: false),
      .init("DRAM GB", gigabytes(Double(residentByteCount)), width: 7),
      .init("flash to DRAM GB/token", gigabytes(bytesPerToken), width: 22),
      .init("reads/token", String(Int(readsPerToken)), width: 11),
      .init("GB/s", bandwidth.map { Units.fixed($0 / 1e9, decimals: 2) } ?? "-", width: 5),
      .init("I/O ms", Units.fixed(ioMilliseconds, decimals: 1), width: 7),
      .init("stall ms", Units.fixed(stallMilliseconds, decimals: 1), width: 8),
      .init("arithmetic ms", Units.fixed(arithmeticMilliseconds, decimals: 1), width: 13),
      .init(
        "predictor ms", predictorMilliseconds.map { Units.fixed($0, decimals: 1) } ?? "-",
        width: 12),
      .init("total ms", Units.fixed(milliseconds, decimals: 1), width: 8),
      .init("tok/s", BenchResult.rate(rates), width: 12),
      .init("ratio", ratio.map { Units.fixed($0, decimals: 2) + "x" } ?? "-", width: 6),
    ]
  }
}
