package import FlashIO
internal import FoundationEssentials
internal import Glibc

/// Reads a trace from its first item to its last, in memory that does not grow with the file.
///
/// A file that was cut (a full disk, a killed process) gives the items before the cut, and `isCut`
/// says so. Events of other programs between ours are passed over.
@safe package final class TraceReader {
  /// What is read at once; an event may be longer.
  private var piece = [UInt8](repeating: 0, count: 256 << 10)
  /// Longer than any event of ours.
  private static let longestEvent = 64 << 20

  package let path: String
  /// Whether the file ends before its closing bracket; known when `next` gave nil.
  package private(set) var isCut = false
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  /// What of the buffer is not yet parsed, and where it lies in the file.
  private var start = 0
  private var fileOffset = 0
  private var hasReachedEnd = false
  private var hasBegun = false
  private var hasEnded = false
  private var events = TraceEventParser()

  /// Opens a trace; its first item is read by `next`.
  ///
  /// - Throws: `FileFailure` where there is no such file or it cannot be opened.
  package init(path: String) throws(FileFailure) {
    self.path = path
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw FileFailure(path: path, kind: .refused(operation: "opening", code: errno))
    }
  }

  deinit { close(descriptor) }

  /// Bytes of the file that were parsed.
  package var byteCount: Int { fileOffset + start }

  /// The next item, or nil at the end.
  ///
  /// - Throws: `TraceError`; nothing can be read after it.
  package func next() throws(TraceError) -> TraceItem? {
    while let range = try nextObject() {
      do throws(TraceEventParser.Fault) {
        let item = try events.item(buffer, range)
        if !hasBegun {
          guard case .header? = item else { throw .what(events.name(buffer, range)) }
          hasBegun = true
        }
        if let item { return item }
      } catch {
        throw failure(error, offset: fileOffset + range.lowerBound)
      }
    }
    if !hasBegun { throw TraceError(path: path, kind: byteCount == 0 ? .empty : .cutInHeader) }
    return nil
  }

  private func failure(_ fault: TraceEventParser.Fault, offset: Int) -> TraceError {
    switch fault {
    case .version(let found): TraceError(path: path, kind: .otherVersion(found: found))
    case .what(let what) where !hasBegun: TraceError(path: path, kind: .foreign(found: what))
    case .what(let what): TraceError(path: path, kind: .malformed(offset: offset, what: what))
    }
  }

  /// The range in the buffer of the next object of the array; nil at the end.
  private func nextObject() throws(TraceError) -> Range<Int>? {
    guard !hasEnded else { return nil }
    while true {
      switch TraceScanner.object(buffer, from: start, isFirst: !hasBegun && byteCount == 0) {
      case .object(let range):
        start = range.upperBound
        return range
      case .end:
        hasEnded = true
        return nil
      case .foreign(let offset):
        throw hasBegun
          ? TraceError(
            path: path,
            kind: .malformed(offset: fileOffset + offset, what: "an event should begin"))
          : TraceError(path: path, kind: .foreign(found: "no JSON array of events"))
      case .incomplete(let from):
        start = from
        guard try readMore() else {
          hasEnded = true
          isCut = true
          return nil
        }
      }
    }
  }

  /// Brings in the next piece behind what is left; false at the end of the file.
  private func readMore() throws(TraceError) -> Bool {
    guard !hasReachedEnd else { return false }
    buffer.removeFirst(start)
    fileOffset += start
    start = 0
    guard buffer.count < Self.longestEvent else {
      throw TraceError(
        path: path, kind: .malformed(offset: fileOffset, what: "an event does not end"))
    }
    while true {
      let count = unsafe piece.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw TraceError(path: path, kind: .unreadable(code: errno, what: Errno.text(errno)))
      }
      buffer += piece[..<count]
      hasReachedEnd = count == 0
      return count > 0
    }
  }
}

/// Finds where objects of a JSON array begin and end, whatever the white space between them.
enum TraceScanner {
  enum Found {
    case object(Range<Int>)
    case end
    /// What is there from `from` on is not all of it.
    case incomplete(from: Int)
    case foreign(Int)
  }

  /// - Parameter isFirst: whether the array's own bracket comes first.
  static func object(_ bytes: [UInt8], from start: Int, isFirst: Bool) -> Found {
    var index = start
    var isFirst = isFirst
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
        index += 1
      case UInt8(ascii: "["):
        guard isFirst else { return .foreign(index) }
        isFirst = false
        index += 1
      case UInt8(ascii: ","):
        guard !isFirst else { return .foreign(index) }
        index += 1
      case UInt8(ascii: "]"): return isFirst ? .foreign(index) : .end
      case UInt8(ascii: "{"):
        guard !isFirst else { return .foreign(index) }
        guard let end = end(bytes, from: index) else { return .incomplete(from: index) }
        return .object(index..<end)
      default: return .foreign(index)
      }
    }
    // Not further than the bracket, so that it is seen again.
    return .incomplete(from: isFirst || index == start ? start : index)
  }

  /// Behind the brace that closes the one at `start`.
  private static func end(_ bytes: [UInt8], from start: Int) -> Int? {
    var depth = 0
    var isText = false
    var index = start
    return unsafe bytes.withUnsafeBufferPointer { bytes in
      while index < bytes.count {
        switch unsafe bytes[index] {
        case UInt8(ascii: "\\") where isText: index += 1
        case UInt8(ascii: "\""): isText.toggle()
        case UInt8(ascii: "{") where !isText: depth += 1
        case UInt8(ascii: "}") where !isText:
          depth -= 1
          if depth == 0 { return index + 1 }
        default: break
        }
        index += 1
      }
      return nil
    }
  }
}
