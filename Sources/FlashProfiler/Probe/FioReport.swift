internal import FlashWeights
internal import Histogram

/// A probe in the shape of fio 3.x's `json+`, so that what plots fio's results plots these.
///
/// Every random and sequential load on the best engine is a job. Left out are the batches of
/// submission and completion, which are not counted.
package struct FioReport: Sendable {
  private let result: ProbeResult
  private let version: String
  private let timestamp: Int

  /// - Parameters:
  ///   - version: named as `fio version`, since tools ask who wrote it.
  ///   - timestamp: seconds since 1970.
  package init(_ result: ProbeResult, version: String, timestamp: Int) {
    self.result = result
    self.version = version
    self.timestamp = timestamp
  }

  package var text: String {
    let jobs = FioJob.all(of: result).map { job in
      JSONValue.object(object(of: job.cell, name: job.name))
    }
    return JSONValue.object([
      "fio version": .string(version),
      "timestamp": .integer(timestamp),
      "timestamp_ms": .integer(timestamp * 1000),
      "time": .string(result.measuredAt),
      "global options": .object([
        "filename": .string(result.path), "size": .string("\(result.fileByteCount)"),
        "direct": .string(result.directUnit == nil ? "0" : "1"),
      ]),
      "jobs": .array(jobs),
      "disk_util": .array([]),
    ]).prettyText
  }

  private func object(of cell: ProbeCell, name: String) -> [String: JSONValue] {
    let milliseconds = cell.nanoseconds / 1_000_000
    let busy = max(cell.seconds, 1e-9)
    let empty = statistics(of: nil)
    var object: [String: JSONValue] = [
      "jobname": .string(name), "groupid": .integer(0), "error": .integer(0),
      "eta": .integer(0), "elapsed": .integer((milliseconds + 999) / 1000),
      "job options": .object([
        "rw": .string(FioJob.direction(of: cell)), "bs": .string(FioJob.size(cell.byteCount)),
        "iodepth": .string("\(cell.depth)"), "ioengine": .string(FioJob.engine(of: cell)),
      ]),
      "read": .object(statistics(of: cell)), "write": .object(empty), "trim": .object(empty),
      "sync": .object(["total_ios": .integer(0), "lat_ns": times(LatencySum())]),
      "job_runtime": .integer(milliseconds),
      "usr_cpu": .number(cell.processor.userSeconds / busy * 100),
      "sys_cpu": .number(cell.processor.systemSeconds / busy * 100),
      "ctx": .integer(cell.processor.contextSwitches),
      "majf": .integer(cell.processor.majorFaults),
      "minf": .integer(cell.processor.minorFaults),
      "latency_depth": .integer(cell.depth), "latency_target": .integer(0),
      "latency_percentile": .number(100), "latency_window": .integer(0),
    ]
    // The depth is kept all the time.
    let level = [1, 2, 4, 8, 16, 32].last { $0 <= cell.depth } ?? 1
    var levels = ["1", "2", "4", "8", "16", "32", ">=64"].reduce(into: [String: JSONValue]()) {
      $0[$1] = .number(0)
    }
    levels[cell.depth >= 64 ? ">=64" : "\(level)"] = .number(100)
    object["iodepth_level"] = .object(levels)
    for (name, shares) in FioLatencyShares(cell.completion).tables { object[name] = shares }
    return object
  }

  private func statistics(of cell: ProbeCell?) -> [String: JSONValue] {
    let bytes = cell.map { $0.readCount * $0.byteCount } ?? 0
    let rate = cell?.bytesPerSecond ?? 0
    let reads = cell?.readsPerSecond ?? 0
    // One sample of the rates: the whole load.
    let samples = cell == nil ? 0 : 1
    return [
      "io_bytes": .integer(bytes), "io_kbytes": .integer(bytes / 1024),
      "bw_bytes": .integer(Int(rate)), "bw": .integer(Int(rate / 1024)), "iops": .number(reads),
      "runtime": .integer((cell?.nanoseconds ?? 0) / 1_000_000),
      "total_ios": .integer(cell?.readCount ?? 0), "short_ios": .integer(0),
      "drop_ios": .integer(0),
      "slat_ns": times(cell?.submission ?? LatencySum()),
      "clat_ns": completions(cell?.completion),
      "lat_ns": cell.map { times($0.latency) } ?? times(LatencySum()),
      "bw_min": .integer(Int(rate / 1024)), "bw_max": .integer(Int(rate / 1024)),
      "bw_agg": .number(samples == 0 ? 0 : 100), "bw_mean": .number(rate / 1024),
      "bw_dev": .number(0), "bw_samples": .integer(samples),
      "iops_min": .integer(Int(reads)), "iops_max": .integer(Int(reads)),
      "iops_mean": .number(reads), "iops_stddev": .number(0), "iops_samples": .integer(samples),
    ]
  }

  private func times(_ sum: LatencySum) -> JSONValue {
    .object([
      "min": .integer(sum.minimum), "max": .integer(sum.maximum), "mean": .number(sum.mean),
      "stddev": .number(sum.deviation), "N": .integer(sum.count),
    ])
  }

  private func times(_ latency: LatencyHistogram) -> JSONValue {
    .object([
      "min": .integer(latency.minimum), "max": .integer(latency.maximum),
      "mean": .number(latency.mean), "stddev": .number(latency.deviation),
      "N": .integer(latency.count),
    ])
  }

  private func completions(_ latency: LatencyHistogram?) -> JSONValue {
    guard let latency, latency.count > 0 else { return times(LatencySum()) }
    let percents = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99]
    var percentiles: [String: JSONValue] = [:]
    for percent in percents {
      let hundredths = Int((percent * 100).rounded())
      let fraction = String(hundredths % 100 + 100).dropFirst()
      percentiles["\(hundredths / 100).\(fraction)0000"] =
        .integer(latency.nanoseconds(atPercentile: percent))
    }
    return .object([
      "min": .integer(latency.minimum), "max": .integer(latency.maximum),
      "mean": .number(latency.mean), "stddev": .number(latency.deviation),
      "N": .integer(latency.count), "percentile": .object(percentiles),
      "bins": .object(
        FioBins.counts(of: latency).reduce(into: [:]) { $0["\($1.key)"] = .integer($1.value) }),
    ])
  }
}

/// fio's own bins: 64 to a power of two, each named by its middle.
enum FioBins {
  private static let bits = 6

  static func counts(of latency: LatencyHistogram) -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for bin in latency.bins.recordedValues() {
      counts[middle(ofBinHolding: Int(bin.value)), default: 0] +=
        Int(bin.countAddedInThisIterationStep)
    }
    return counts
  }

  static func middle(ofBinHolding nanoseconds: Int) -> Int {
    let highest = Int.bitWidth - 1 - max(1, nanoseconds).leadingZeroBitCount
    guard highest > bits else { return nanoseconds }
    let shift = highest - bits
    let start = (nanoseconds >> shift) << shift
    return start + (1 << shift) / 2
  }
}

/// The share of latencies below fio's fixed marks, in percent.
private struct FioLatencyShares {
  private var nanoseconds: [String: JSONValue] = [:]
  private var microseconds: [String: JSONValue] = [:]
  private var milliseconds: [String: JSONValue] = [:]

  var tables: [(String, JSONValue)] {
    [
      ("latency_ns", .object(nanoseconds)), ("latency_us", .object(microseconds)),
      ("latency_ms", .object(milliseconds)),
    ]
  }

  init(_ latency: LatencyHistogram) {
    let marks = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000]
    let total = Double(max(1, latency.count))
    let bins = latency.bins.recordedValues().map {
      (value: Int($0.value), count: Int($0.countAddedInThisIterationStep))
    }
    func share(from low: Int, below high: Int) -> JSONValue {
      let count = bins.reduce(0) { $0 + (low..<high ~= $1.value ? $1.count : 0) }
      return .number(Double(count) / total * 100)
    }
    for (scale, table) in [
      (1, \Self.nanoseconds), (1000, \.microseconds), (1_000_000, \.milliseconds),
    ] {
      var low = scale == 1 ? 0 : scale
      for mark in marks {
        self[keyPath: table]["\(mark)"] = share(from: low, below: mark * scale)
        low = mark * scale
      }
    }
    milliseconds["2000"] = share(from: 1_000_000_000, below: 2_000_000_000)
    milliseconds[">=2000"] = share(from: 2_000_000_000, below: .max)
  }
}
