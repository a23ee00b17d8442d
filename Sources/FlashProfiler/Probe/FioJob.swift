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
    switch cell.method {
    case .uring: "io_uring"
    case .pread: "psync"
    case .mmap: "mmap"
    }
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
      "time_based=1", "runtime=\(milliseconds)ms", "norandommap=1", "randrepeat=0",
      "group_reporting=1", "percentile_list=50:90:99:99.9:100", "stonewall", "",
    ]
    for job in all(of: result) {
      lines += [
        "[\(job.name)]", "rw=\(direction(of: job.cell))", "bs=\(job.cell.byteCount)",
        "ioengine=\(engine(of: job.cell))",
      ]
      if job.cell.method == .uring {
        // As here: memory and files are registered, and what is complete is taken all at once.
        lines += ["iodepth=\(job.cell.depth)", "fixedbufs=1", "registerfiles=1"]
      } else {
        lines += ["iodepth=1", "numjobs=\(job.cell.depth)", "thread=1"]
      }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  /// fio takes a colon for the end of a name.
  private static func escaped(_ path: String) -> String { path.replacing(":", with: "\\:") }
}
