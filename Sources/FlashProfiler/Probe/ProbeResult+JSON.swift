internal import FlashIO
package import FlashWeights
internal import FoundationEssentials
internal import Histogram

/// A probe as JSON of our own shape and as CSV.
extension ProbeResult {
  /// One JSON object with stable keys.
  package var json: String { JSONValue.object(jsonObject).prettyText }

  private var jsonObject: [String: JSONValue] {
    var object: [String: JSONValue] = [
      "format_version": .integer(1),
      "measured_at": .string(measuredAt),
      "is_complete": .bool(isComplete),
      "target": .object([
        "path": .string(path), "kind": .string(kind.rawValue),
        "file_bytes": .integer(fileByteCount),
        "direct_unit": directUnit.map(JSONValue.integer) ?? .null,
        "memory_alignment": .integer(memoryAlignment),
      ]),
      "environment": environment.json,
      "random_reads": .array(sweep.map(\.json)),
      "store_reads": .array(store.map(\.json)),
      "sequential_reads": .array(sequential.map(\.json)),
      "methods": .array(methods.map(\.json)),
      "remarks": .array(remarks.map(JSONValue.string)),
    ]
    object["coldness"] =
      coldness.map {
        .object([
          "is_cold": .bool($0.isCold), "first_median_ns": .integer($0.firstMedian),
          "second_median_ns": .integer($0.secondMedian),
          "sentences": .array($0.sentences.map(JSONValue.string)),
        ])
      } ?? .null
    object["burst"] =
      burst.map {
        .object([
          "interval_seconds": .number($0.interval),
          "bytes_per_second": .array($0.bytesPerSecond.map(JSONValue.number)),
          "burst": $0.burst.map(JSONValue.number) ?? .null,
          "sustained": $0.sustained.map(JSONValue.number) ?? .null,
        ])
      } ?? .null
    object["advice"] =
      ProbeAdvice(self).map {
        .object([
          "read_bytes": .integer($0.readByteCount),
          "reads_per_second": .number($0.readsPerSecond),
          "queue_depth": .integer($0.queueDepth),
          "bandwidth": .number($0.bandwidth),
          "merge_gap": .integer($0.mergeGap),
          "knee_bytes": $0.kneeByteCount.map(JSONValue.integer) ?? .null,
          "bundles_per_read": .integer($0.bundlesPerRead),
        ])
      } ?? .null
    return object
  }

  /// A line for each load, with a header.
  package var csv: String {
    let header = [
      "series", "method", "rw", "bytes", "depth", "seconds", "reads", "mb_per_s", "iops",
      "mean_us", "p50_us", "p90_us", "p99_us", "p99.9_us", "max_us",
    ]
    let series = [
      ("random", sweep), ("store", store), ("sequential", sequential), ("methods", methods),
    ]
    let rows = series.flatMap { name, cells in cells.map { $0.row(series: name) } }
    return ([header] + rows).map { $0.joined(separator: ",") + "\n" }.joined()
  }

  /// HdrHistogram's percentile distribution of each load, in microseconds. Each begins with a line
  /// `#[Load = …]`, at which the text can be cut into the files that plotters take.
  package var histograms: String {
    var text = ""
    for cell in sweep + store + sequential + methods {
      let kind = cell.isRandom ? "randread" : "read"
      text +=
        "#[Load = \(cell.method.rawValue), rw=\(kind), bs=\(cell.byteCount), "
        + "iodepth=\(cell.depth)]\n"
      cell.latency.bins.outputPercentileDistribution(
        to: &text, outputValueUnitScalingRatio: 1e3)
    }
    return text
  }
}

extension ProbeEnvironment {
  fileprivate var json: JSONValue {
    .object([
      "device": storage.map {
        .object([
          "number": .string($0.device.number), "name": .string($0.device.name),
          "model": $0.device.model.map(JSONValue.string) ?? .null,
          "bytes": $0.device.byteCount.map(JSONValue.integer) ?? .null,
          "file_system": .string($0.device.fileSystem),
          "mount_point": .string($0.mountPoint),
          "logical_sector": $0.logicalSector.map(JSONValue.integer) ?? .null,
          "physical_sector": $0.physicalSector.map(JSONValue.integer) ?? .null,
          "scheduler": $0.scheduler.map(JSONValue.string) ?? .null,
          "is_rotational": $0.isRotational.map(JSONValue.bool) ?? .null,
        ])
      } ?? .null,
      "io_uring": .bool(uringRefusal == nil),
      "io_uring_refusal": uringRefusal.map(JSONValue.string) ?? .null,
      "rlimit_memlock": lockedMemoryLimit.map(JSONValue.integer) ?? .null,
      "control_group_limit": groupLimit.map(JSONValue.integer) ?? .null,
      "host_memory": hostMemory.map(JSONValue.integer) ?? .null,
      "kernel": .string(kernel),
    ])
  }
}

extension ProbeCell {
  fileprivate func row(series: String) -> [String] {
    var row = [series, method.rawValue, isRandom ? "randread" : "read"]
    row += ["\(byteCount)", "\(depth)", "\(seconds)", "\(readCount)"]
    row += ["\(bytesPerSecond / 1e6)", "\(readsPerSecond)", "\(latency.mean / 1e3)"]
    for percent in [50, 90, 99, 99.9, 100] { row.append("\(Double(p(percent)) / 1e3)") }
    return row
  }

  fileprivate var json: JSONValue {
    .object([
      "method": .string(method.rawValue),
      "is_random": .bool(isRandom),
      "bytes": .integer(byteCount),
      "depth": .integer(depth),
      "seconds": .number(seconds),
      "reads": .integer(readCount),
      "bytes_per_second": .number(bytesPerSecond),
      "reads_per_second": .number(readsPerSecond),
      "cpu_seconds": .number(processor.userSeconds + processor.systemSeconds),
      "latency_ns": .object([
        "mean": .number(latency.mean), "p50": .integer(p(50)), "p90": .integer(p(90)),
        "p99": .integer(p(99)), "p99.9": .integer(p(99.9)), "max": .integer(latency.maximum),
      ]),
    ])
  }
}

extension JSONValue {
  /// Several lines, keys in order.
  package var prettyText: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { preconditionFailure("JSON encodes") }
    return String(decoding: data, as: UTF8.self)
  }
}
