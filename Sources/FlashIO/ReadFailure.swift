/// A read that cannot be finished: which bytes of which file, what the kernel said, and why that
/// is likely.
package struct ReadFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The error number, or nil where the file ended before the bytes that it had when it was opened.
  package var code: Int32?
  package var path: String
  /// What was asked for.
  package var extent: FileExtent
  /// How many of those bytes arrived.
  package var foundByteCount: Int
  /// The likely cause, a sentence without a full stop.
  package var likelyCause: String
  /// What the bytes were for, such as `layer 12`; set by the caller.
  package var context: String?

  /// - Parameter likelyCause: nil for the usual cause of `code`.
  package init(
    code: Int32?, path: String, extent: FileExtent, foundByteCount: Int = 0,
    likelyCause: String? = nil, context: String? = nil
  ) {
    self.code = code
    self.path = path
    self.extent = extent
    self.foundByteCount = foundByteCount
    self.likelyCause = likelyCause ?? code.map(Errno.likelyCause) ?? Self.shrank
    self.context = context
  }

  /// The same failure, saying what the bytes were for.
  package func adding(context: String) -> ReadFailure {
    var failure = self
    failure.context = context
    return failure
  }

  package var description: String {
    let subject = context.map { "\($0): " } ?? ""
    let reason = code.map(Errno.text) ?? "end of file"
    return "\(subject)reading \(extent.byteCount) bytes at offset \(extent.offset) of \(path): "
      + "\(reason) after \(foundByteCount) bytes (\(likelyCause))"
  }

  private static let shrank = "the file is shorter than when it was opened"
}
