/// `window`: the sliding window of LLM in a Flash (arXiv 2312.11514, section 3.1). A stride that no
/// token of the last `tokens` used goes, room or not; where there is no room, oldest use first.
enum SlidingWindow {
  /// Where neither the user nor a certificate says: the paper's 4 to 5.
  static let defaultTokens = 5

  /// The first token whose uses count at a token.
  static func firstToken(of tokens: Int, at token: Int32) -> Int32 {
    token - Int32(clamping: tokens)
  }
}

/// What a window of k tokens leaves to read, as measured on a text: bytes of all layers together.
package struct WindowCurve: Sendable, Equatable {
  /// A token's working set.
  package var activeByteCount: Double
  /// What a token uses beyond the k tokens before it, for k = 1, 2, …
  package var newByteCounts: [Double]

  package init(activeByteCount: Double, newByteCounts: [Double]) {
    self.activeByteCount = activeByteCount
    self.newByteCounts = newByteCounts
  }

  /// The longest window whose strides fit so many bytes, at least 1.
  ///
  /// The strides of k + 1 tokens are those of k tokens and what one more token has beyond them.
  package func tokens(fitting byteCount: Int) -> Int {
    var union = activeByteCount
    var tokens = 1
    for new in newByteCounts {
      union += new
      guard union <= Double(byteCount) else { break }
      tokens += 1
    }
    return tokens
  }
}
