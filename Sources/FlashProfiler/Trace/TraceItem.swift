package import FlashIO

/// What a trace holds, in the order of the file, which is the order in which the decoder's thread
/// came to know of it: a read stands where its completion was booked, and all else where it ended,
/// but for the beginnings of chunks and layers.
package enum TraceItem: Sendable, Equatable {
  /// Begins a run; the first item of every trace.
  case header(TraceHeader)
  /// Times count from the header's `startNanoseconds`.
  case event(TraceEvent)
  /// The strides that a layer wants for the chunk, ascending. A layer's set may come in several
  /// parts, and where every neuron is computed it does not come at all.
  case strides(layer: Int, [Int32])
  /// Ends a generation.
  case totals(TraceTotals)
}

/// Why a file cannot be read as a trace.
package struct TraceError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Kind: Sendable, Equatable {
    case empty
    /// It ends before the header does.
    case cutInHeader
    /// It is JSON, or not even that, but no trace of ours.
    case foreign(found: String)
    case otherVersion(found: Int)
    /// An event at `offset` that cannot be understood.
    case malformed(offset: Int, what: String)
    case unreadable(code: Int32, what: String)
  }

  package var path: String
  package var kind: Kind

  package var description: String {
    switch kind {
    case .empty: "\(path) is empty: no event was written to it"
    case .cutInHeader: "\(path) ends within its first event: nothing can be made of it"
    case .foreign(let found):
      "\(path) is no trace of flashrun: its first event should be \"flashrun\", and it is \(found)"
    case .otherVersion(let found):
      "\(path) is a trace of format \(found), and this program reads format "
        + "\(TraceHeader.currentFormat)"
    case .malformed(let offset, let what):
      "\(path): at byte \(offset) \(what)"
    case .unreadable(_, let what): "\(path): \(what)"
    }
  }
}
