/// How reads are done, for the footer: the engine, what it uses, and why it uses nothing better.
package struct ReadEngineDescription: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case uring = "io_uring"
    case pread
    case simulated
  }

  package var kind: Kind
  /// Reads in flight at a time.
  package var queueDepth: Int
  /// Reads that may be outstanding: in flight, queued, or complete and not yet waited for.
  package var capacity: Int
  /// Whether the arena is registered with the kernel, so that pages are not pinned per read.
  package var usesRegisteredBuffers: Bool
  /// Whether the files are registered with the kernel.
  package var usesRegisteredFiles: Bool
  /// The largest direct-I/O unit of the files in bytes, nil where a file is read through the page
  /// cache.
  package var directUnit: Int?
  /// One sentence for each thing that was wanted and refused.
  package var reasons: [String]

  package init(
    kind: Kind, queueDepth: Int, capacity: Int, usesRegisteredBuffers: Bool = false,
    usesRegisteredFiles: Bool = false, directUnit: Int? = nil, reasons: [String] = []
  ) {
    self.kind = kind
    self.queueDepth = queueDepth
    self.capacity = capacity
    self.usesRegisteredBuffers = usesRegisteredBuffers
    self.usesRegisteredFiles = usesRegisteredFiles
    self.directUnit = directUnit
    self.reasons = reasons
  }

  /// As in the footer: `io_uring (depth 64, fixed buffers, O_DIRECT 512)`.
  package var summary: String {
    var parts = ["depth \(queueDepth)"]
    if usesRegisteredBuffers { parts.append("fixed buffers") }
    if let directUnit {
      parts.append("O_DIRECT \(directUnit)")
    } else if kind != .simulated {
      parts.append("page cache")
    }
    return "\(kind.rawValue) (\(parts.joined(separator: ", ")))"
  }
}
