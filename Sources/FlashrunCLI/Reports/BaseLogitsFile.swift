internal import Glibc

/// llama.cpp's file of a base model's distributions (`--kl-divergence-base`), so that either tool
/// reads what the other wrote.
///
/// Little endian: the eight bytes `_logits_`; the context length, the size of the vocabulary and
/// the number of chunks, 32 bits each; the tokens of all chunks, 32 bits each, as the text has them
/// (the first of a chunk is not yet replaced by the begin token); then for each chunk and each of
/// its positions from `contextLength / 2` to the last but one a `LogProbabilityRow`.
package struct BaseLogitsHeader: Equatable, Sendable {
  package static let magic = Array("_logits_".utf8)
  package var contextLength: Int
  package var vocabularySize: Int
  package var chunkCount: Int

  package init(contextLength: Int, vocabularySize: Int, chunkCount: Int) {
    self.contextLength = contextLength
    self.vocabularySize = vocabularySize
    self.chunkCount = chunkCount
  }

  package static let byteCount = 20
  /// Rows of a chunk: predictions that count.
  package var rowsPerChunk: Int { contextLength - 1 - contextLength / 2 }
  package var rowByteCount: Int {
    2 * LogProbabilityRow.wordCount(vocabularySize: vocabularySize)
  }
  /// Bytes of the whole file.
  package var fileByteCount: Int {
    Self.byteCount + 4 * chunkCount * contextLength + chunkCount * rowsPerChunk * rowByteCount
  }

  package var bytes: [UInt8] {
    Self.magic + [contextLength, vocabularySize, chunkCount].flatMap { Self.bytes(Int32($0)) }
  }

  static func bytes(_ value: Int32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}

/// Writes a base file a row at a time; it appears when it is whole.
final class BaseLogitsWriter {
  private let file: RowFile
  private var row: [UInt16]

  /// - Parameter tokens: of all chunks, as the text has them.
  init(_ path: String, _ header: BaseLogitsHeader, tokens: [Int32]) throws(Failure) {
    precondition(tokens.count == header.chunkCount * header.contextLength, "the chunks' tokens")
    file = try RowFile(path)
    row = Array(
      repeating: 0, count: LogProbabilityRow.wordCount(vocabularySize: header.vocabularySize))
    try append(header.bytes)
    try append(tokens)
  }

  /// Adds the distribution after a token.
  func append(_ logits: Span<Float>) throws(Failure) {
    LogProbabilityRow.fill(&row, from: logits)
    try append(row)
  }

  /// As they lie in memory: every host is little endian.
  private func append<Value: BitwiseCopyable>(_ values: [Value]) throws(Failure) {
    let result = unsafe values.withUnsafeBytes { bytes -> Result<Void, Failure> in
      Result { () throws(Failure) in try unsafe file.append(bytes) }
    }
    try result.get()
  }

  /// Gives the file its name.
  func finish() throws(Failure) { try file.finish() }

  /// Closes the file and removes what was not finished.
  func discard() { file.discard() }
}

/// Reads a base file a row at a time.
package final class BaseLogitsReader {
  package let header: BaseLogitsHeader
  /// Of all chunks, as the text has them.
  package let tokens: [Int32]
  private let path: String
  private let descriptor: Int32
  private var row: [UInt16]

  /// - Throws: `Failure` for a file that is none (bad data), for one that is shorter than its
  ///   header says, with both numbers, and for what the system refuses.
  package init(_ path: String) throws(Failure) {
    self.path = path
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    row = []
    guard descriptor >= 0 else {
      header = BaseLogitsHeader(contextLength: 0, vocabularySize: 0, chunkCount: 0)
      tokens = []
      throw FileInput.failure(errno, opening: path)
    }
    var start = [UInt8](repeating: 0, count: BaseLogitsHeader.byteCount)
    let count = try Self.read(&start, descriptor, path)
    guard count == start.count, Array(start[..<8]) == BaseLogitsHeader.magic else {
      throw Failure(
        .badData, "\(path) is no file of base logits: it does not begin with '_logits_'",
        hints: ["`perplexity --kl-divergence-base FILE` without --kl-divergence writes one"])
    }
    let numbers = (0..<3).map { Int(Self.number(start, at: 8 + 4 * $0)) }
    let header = BaseLogitsHeader(
      contextLength: numbers[0], vocabularySize: numbers[1], chunkCount: numbers[2])
    try Self.check(header, descriptor, path)
    self.header = header
    row = Array(repeating: 0, count: header.rowByteCount / 2)
    var bytes = [UInt8](repeating: 0, count: 4 * header.chunkCount * header.contextLength)
    _ = try Self.read(&bytes, descriptor, path)
    tokens = stride(from: 0, to: bytes.count, by: 4).map { Self.number(bytes, at: $0) }
  }

  deinit { close(descriptor) }

  /// The next row, lent to `body`.
  package func withNextRow(_ body: (Span<UInt16>) -> Void) throws(Failure) {
    let wanted = header.rowByteCount
    let count = try Self.read(&row, descriptor, path)
    guard count == wanted else {
      throw Failure(.badData, "\(path) ends within a row: \(count) of \(wanted) bytes are there")
    }
    let words = row
    body(words.span)
  }

  private static func check(
    _ header: BaseLogitsHeader, _ descriptor: Int32, _ path: String
  ) throws(Failure) {
    guard header.contextLength > 2, header.vocabularySize > 0, header.chunkCount > 0,
      header.contextLength < 1 << 24, header.vocabularySize < 1 << 24
    else {
      throw Failure(
        .badData,
        "\(path): a context of \(header.contextLength), a vocabulary of "
          + "\(header.vocabularySize) and \(header.chunkCount) chunks cannot be")
    }
    var information = stat()
    guard unsafe fstat(descriptor, &information) == 0 else {
      throw Failure(.inputOutput, "\(path): \(FileInput.text(of: errno))")
    }
    guard information.st_size >= header.fileByteCount else {
      throw Failure(
        .badData,
        "\(path) is cut off: it has \(information.st_size) bytes, and "
          + "\(header.chunkCount) chunks of \(header.contextLength) tokens take "
          + "\(header.fileByteCount)")
    }
  }

  private static func number(_ bytes: [UInt8], at index: Int) -> Int32 {
    bytes[index..<index + 4].reversed().reduce(0 as Int32) { $0 << 8 | Int32($1) }
  }

  /// Fills an array as far as the file goes; returns the bytes read.
  private static func read<Value: BitwiseCopyable>(
    _ values: inout [Value], _ descriptor: Int32, _ path: String
  ) throws(Failure) -> Int {
    var code: Int32 = 0
    let count = unsafe values.withUnsafeMutableBytes { buffer -> Int in
      var done = 0
      while done < buffer.count {
        let part = unsafe Glibc.read(
          descriptor, buffer.baseAddress! + done, buffer.count - done)
        if part > 0 {
          done += part
        } else if part == 0 {
          break
        } else if errno != EINTR {
          code = errno
          break
        }
      }
      return done
    }
    if code != 0 { throw Failure(.inputOutput, "\(path): \(FileInput.text(of: code))") }
    return count
  }
}
