package import FlashIO
internal import FoundationEssentials
internal import Glibc

/// A trace on its way to a file: Chrome's trace format as a JSON array, one event a line, which
/// Perfetto and chrome://tracing open and `TraceReader` reads back.
///
/// After every chunk of tokens the file is whole and valid JSON: the closing bracket is written
/// behind the last event and overwritten by the next. A process that is killed leaves a valid trace
/// too, unless it dies within a write. To a pipe the bracket comes at `close` only.
///
/// A write that fails ends the trace after the last whole chunk, and the run goes on; `failure`
/// says why. Writing allocates nothing.
///
/// Sendable, unchecked: one thread at a time uses it, the one that opened it or the engine's while
/// it records.
@safe package final class TraceFile: TraceSink, @unchecked Sendable {
  /// Text that is written at once.
  private static let textCapacity = 256 << 10
  private static let ending: StaticString = "\n]\n"

  package let path: String
  /// Why nothing more is written: what the kernel said, and the bytes that are in the file.
  package private(set) var failure: (code: Int32, byteCount: Int)?
  /// Bytes of events so far.
  package private(set) var byteCount = 0
  let encoder: TraceEncoder
  private let descriptor: Int32
  /// Whether what was written can be overwritten.
  private let isSeekable: Bool
  private var isClosed = false
  private var wholeByteCount = 0

  /// Creates the file or empties it.
  ///
  /// - Throws: `FileFailure` when it cannot be opened for writing.
  package init(path: String) throws(FileFailure) {
    self.path = path
    descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw FileFailure(path: path, kind: .refused(operation: "writing", code: errno))
    }
    isSeekable = lseek(descriptor, 0, SEEK_CUR) >= 0
    encoder = TraceEncoder(textCapacity: Self.textCapacity)
  }

  deinit {
    close()
    Glibc.close(descriptor)
    encoder.text.deallocate()
  }

  /// Bytes of memory that writing takes, for the memory plan.
  package static var memoryByteCount: Int { textCapacity + TraceEncoder.memoryByteCount }

  /// Begins a run; its events are told apart from those of others by their process number.
  package func begin(_ header: TraceHeader) {
    encoder.begin(at: header.startNanoseconds)
    append(json: Self.json(header), name: "flashrun")
    encoder.appendNames()
    finishPart()
  }

  /// Ends a generation with the footer's figures.
  package func append(_ totals: TraceTotals) {
    append(json: Self.json(totals), name: "totals")
    finishPart()
  }

  package func write(_ events: UnsafeBufferPointer<TraceEvent>, text: UnsafeBufferPointer<UInt8>) {
    guard failure == nil else { return }
    for index in events.indices {
      if encoder.text.free < encoder.largestByteCount { writeText() }
      let event = unsafe events[index]
      encoder.append(event)
      guard case .strides(let set) = event else { continue }
      unsafe append(UnsafeBufferPointer(rebasing: text[set.text]))
      encoder.endStrides()
    }
    finishPart()
  }

  /// Ends the array; nothing is written afterwards.
  package func close() {
    guard !isClosed else { return }
    isClosed = true
    if failure == nil, !isSeekable, byteCount > 0 {
      encoder.text.append(Self.ending)
      writeText()
    }
  }

  private func append(json: [UInt8], name: StaticString) {
    encoder.beginMetadata(name)
    unsafe json.withUnsafeBufferPointer { unsafe append($0) }
    encoder.endMetadata()
  }

  /// Appends text of any length, leaving room to end its event.
  private func append(_ text: UnsafeBufferPointer<UInt8>) {
    var done = 0
    while done < text.count {
      if encoder.text.free < encoder.largestByteCount { writeText() }
      let end = min(text.count, done + encoder.text.free - TraceEncoder.endByteCount)
      unsafe encoder.text.append(UnsafeBufferPointer(rebasing: text[done..<end]))
      done = end
    }
  }

  private static func json(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // Numbers, strings and booleans, which cannot fail to encode.
    guard let data = try? encoder.encode(value) else { preconditionFailure("figures encode") }
    return Array(data)
  }

  /// Writes what is there, and the ending behind it.
  private func finishPart() {
    guard isSeekable else { return writeText() }
    let eventByteCount = encoder.text.count
    if encoder.text.free < Self.ending.utf8CodeUnitCount { writeText() }
    encoder.text.append(Self.ending)
    writeText()
    guard failure == nil, eventByteCount > 0 else { return }
    byteCount -= Self.ending.utf8CodeUnitCount
    wholeByteCount = byteCount
  }

  private func writeText() {
    defer { encoder.text.removeAll() }
    guard failure == nil else { return }
    let bytes = unsafe encoder.text.bytes
    var done = 0
    while done < bytes.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count =
        unsafe isSeekable
        ? pwrite(descriptor, rest.baseAddress, rest.count, byteCount + done)
        : Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        return fail(errno)
      }
    }
    byteCount += bytes.count
  }

  /// Cuts the file after the last whole chunk, so that it stays valid.
  private func fail(_ code: Int32) {
    failure = (code, wholeByteCount)
    guard isSeekable else { return }
    byteCount = wholeByteCount
    // The block that holds the ending is still the file's, also on a full disk.
    _ = ftruncate(descriptor, wholeByteCount)
    let ending = Self.ending
    _ = unsafe pwrite(descriptor, ending.utf8Start, ending.utf8CodeUnitCount, wholeByteCount)
  }
}
