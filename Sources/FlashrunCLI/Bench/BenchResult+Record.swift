internal import FlashIO
internal import FlashModel
internal import FlashWindow

/// A result as it is printed: llama-bench's keys and columns first, then ours.
extension BenchResult {
  func record(
    _ model: ModelLabel, _ label: OpenModelLabel, _ configuration: BenchConfiguration
  ) -> BenchRecord {
    BenchRecord(
      fields: model.fields + fields(label, configuration) + rooflineFields,
      cells: model.cells + cells(label, configuration) + rooflineCells)
  }

  private func fields(
    _ label: OpenModelLabel, _ configuration: BenchConfiguration
  ) -> [BenchRecord.Field] {
    let times = samples.map { Double($0.nanoseconds) }
    return [
      .init("n_batch", .integer(label.prefillChunk)),
      .init("n_ubatch", .integer(label.prefillChunk)),
      .init("n_threads", .integer(label.threadCount)), .init("type_k", .text(label.keyFormat)),
      .init("type_v", .text(label.valueFormat)), .init("n_prompt", .integer(test.promptCount)),
      .init("n_gen", .integer(test.generationCount)), .init("n_depth", .integer(0)),
      .init("test_time", .text(time)),
      .init("avg_ns", .integer(Int(SampleMath.mean(times)))),
      .init("stddev_ns", .integer(Int(SampleMath.deviation(times)))),
      .init("avg_ts", .number(SampleMath.mean(rates))),
      .init("stddev_ts", .number(SampleMath.deviation(rates))),
      .init("median_ts", .number(SampleMath.median(rates))),
      .init("samples_ns", .list(samples.map { .integer($0.nanoseconds) })),
      .init("samples_ts", .list(rates.map { .number($0) })),
      .init("mem_limit", .integer(configuration.plan.limit)),
      .init("peak_rss", .integer(peakByteCount)), .init("io_backend", .text(label.engine)),
      .init("bytes_read", .integer(mean(\.reads.byteCount))),
      .init("reads", .integer(mean(\.reads.readCount))),
      .init("bytes_per_token", .integer(bytesPerToken)),
      .init("cache_hit", .number(hitRate)), .init("stall_ns", .integer(mean(\.stallNanoseconds))),
      .init("arithmetic_ns", .integer(mean(\.arithmeticNanoseconds))),
      .init("predictor_ns", .integer(mean(\.predictorNanoseconds))),
      .init("p50_ns", .integer(tokenNanoseconds(percentile: 50))),
      .init("p95_ns", .integer(tokenNanoseconds(percentile: 95))),
      .init("p99_ns", .integer(tokenNanoseconds(percentile: 99))),
      .init("majflt", .integer(samples.reduce(0) { $0 + $1.majorFaults })),
      .init("cache_state", .text(cacheState.rawValue)),
      .init("read_amplification", .number(total.readAmplification)),
      .init("overlap", .number(total.overlapEfficiency)), .init("mode", .text(label.mode)),
      .init("isa", .text(label.instructionSet)),
    ]
  }

  private func cells(
    _ label: OpenModelLabel, _ configuration: BenchConfiguration
  ) -> [BenchRecord.Cell] {
    let stall = Double(total.stallNanoseconds) / Double(max(1, totalNanoseconds))
    func milliseconds(_ percentile: Double) -> String {
      tokenNanoseconds(percentile: percentile).map { Units.threeDigits(Double($0) / 1e6) } ?? "-"
    }
    func percent(_ value: Double?) -> String {
      value.map { Units.fixed($0 * 100, decimals: 1) + "%" } ?? "-"
    }
    return [
      .init("backend", "CPU \(label.instructionSet)", width: 10, isNumber: false),
      .init("threads", String(label.threadCount), width: 7),
      .init("mem_limit", configuration.limitText, width: 14),
      .init("mode", label.mode, width: 5, isNumber: false),
      .init("cache_state", cacheState.rawValue, width: 11, isNumber: false),
      .init("test", test.name, width: 8),
      .init("t/s", Self.rate(rates), width: 15),
      .init("bytes/token", Units.bytes(bytesPerToken), width: 11),
      .init("cache_hit", percent(hitRate), width: 9), .init("stall", percent(stall), width: 6),
      .init("overlap", percent(total.overlapEfficiency), width: 7),
      .init("p50 ms", milliseconds(50), width: 6), .init("p95 ms", milliseconds(95), width: 6),
      .init("p99 ms", milliseconds(99), width: 6),
      .init("peak_rss", peakByteCount.map(Units.bytes) ?? "-", width: 9),
      .init("majflt", String(samples.reduce(0) { $0 + $1.majorFaults }), width: 6),
      .init("io_backend", label.engine, width: 10, isNumber: false),
    ]
  }

  private var totalNanoseconds: Int { samples.reduce(0) { $0 + $1.nanoseconds } }

  /// `15.31 ± 0.22`, as llama-bench writes it.
  static func rate(_ rates: [Double]) -> String {
    let mean = Units.fixed(SampleMath.mean(rates), decimals: 2)
    return "\(mean) ± \(Units.fixed(SampleMath.deviation(rates), decimals: 2))"
  }

  private var rooflineFields: [BenchRecord.Field] {
    guard let roofline else { return [] }
    let measured = roofline.roofline
    return [
      .init("roofline_bound", .text(roofline.bound?.rawValue)),
      .init("roofline_fraction", .number(roofline.fraction)),
      .init("dram_bytes_per_token", .integer(roofline.memoryByteCount / max(1, test.tokenCount))),
      .init("dram_bytes_per_s", .number(measured.memoryBandwidth)),
      .init("dram_bytes_per_s_1_thread", .number(measured.memoryBandwidthOfOneThread)),
      .init("flash_bytes_per_s", .number(measured.device?.bandwidth)),
      .init("flash_reads_per_s", .number(measured.device?.readsPerSecond)),
      .init("flash_read_bytes", .integer(measured.device?.readByteCount)),
    ]
  }

  private var rooflineCells: [BenchRecord.Cell] {
    guard let roofline else { return [] }
    return [
      .init("bound", roofline.bound?.title ?? "-", width: 15, isNumber: false),
      .init(
        "of bound", roofline.fraction.map { Units.fixed($0 * 100, decimals: 0) + "%" } ?? "-",
        width: 8),
    ]
  }
}
