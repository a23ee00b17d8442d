/// What engines say about their files.
extension FlashFile {
  /// Why this file is read through the page cache, with its path; nil where it is not, or where
  /// that was asked for.
  package var fallbackSentence: String? {
    fallbackReason.map { "\(path) is read through the page cache: \($0)" }
  }
}

extension [FlashFile] {
  /// The largest unit, or nil where a file is read through the page cache.
  package var commonDirectUnit: Int? {
    allSatisfy(\.isDirect) ? map(\.unit).max() : nil
  }
}
