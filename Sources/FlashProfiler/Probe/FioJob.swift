internal import FlashIO

/// The loads of a probe as fio names and runs them.
package struct FioJob: Sendable {
  package var name: String
  package var cell: ProbeCell

  /// Random reads, those of the store's size, and reads in order.
  package static func all(of result: ProbeResult) -> [FioJob] {
    (result.sweep + result.store + result.sequential).map { cell in
      FioJob(
        name: "\(direction(of: cell))-\(size(cell.byteCount))-depth\(cell.depth)", cell: cell)
    }
  }

  static func direction(of cell: ProbeCell) -> String { cell.isRandom ? "randread" : "read" }

  /// `4k`, `1m`, or plain bytes.
  static func size(_ byteCount: Int) -> String {
    if byteCount % (1 << 20) == 0 { return "\(byteCount >> 20)m" }
    return byteCount % 1024 == 0 ? "\(byteCount >> 10)k" : "\(byteCount)"
  }

  static func engine(of cell: ProbeCell) -> String {
    cell.method == .pread ? "psync" : cell.method.rawValue
  }

  /// A job file with which fio repeats the loads one after the other.
  ///
  /// - Parameter seconds: of each load.
  package static func file(for result: ProbeResult, milliseconds: Int) -> String {
    var lines = [
      "# The loads of `flashrun io probe \(result.path)`, for fio 3.x: fio FILE",
      "[global]",
    ]
    if result.kind == .made {
      lines += [
        "# fio writes this file first and leaves it; remove it afterwards.",
        "directory=\(escaped(result.path))", "filename=flashrun-probe.data",
      ]
    } else {
      lines.append("filename=\(escaped(result.fileName))")
    }
    lines += [
      "size=\(result.fileByteCount)", "direct=\(result.directUnit == nil ? 0 : 1)",
      "# The probe reads into huge pages, as runs do; fio needs them reserved beforehand:",
      "# sysctl vm.nr_hugepages=\(hugePageCount(for: result)). Without this line it reads into "
        + "small ones.",
      "iomem=mmaphuge", "time_based=1", "runtime=\(milliseconds)ms", "norandommap=1",
      "randrepeat=0", "group_reporting=1", "stonewall", "",
    ]
    for job in all(of: result) {
      lines += [
        "[\(job.name)]", "rw=\(direction(of: job.cell))", "bs=\(job.cell.byteCount)",
        "ioengine=\(engine(of: job.cell))",
      ]
      if job.cell.method == .uring {
        let depth = job.cell.depth
        let submitted = ReadLoad.submissionCount(depth: depth)
        // Memory and files are registered, what is complete is taken all at once, and as many reads
        // go in with one call.
        lines += [
          "iodepth=\(depth)", "fixedbufs=1", "registerfiles=1", "iodepth_batch_submit=\(submitted)",
          "iodepth_batch_complete_min=1", "iodepth_batch_complete_max=\(depth)",
        ]
      } else {
        lines += ["iodepth=1", "numjobs=\(job.cell.depth)", "thread=1"]
      }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  /// Pages of 2 MiB for the job that needs most, and some for fio itself.
  private static func hugePageCount(for result: ProbeResult) -> Int {
    let most = all(of: result).map { $0.cell.byteCount * $0.cell.depth }.max() ?? 0
    return (most + (2 << 20) - 1) / (2 << 20) + 4
  }

  /// fio takes a colon for the end of a name.
  private static func escaped(_ path: String) -> String { path.replacing(":", with: "\\:") }
}
