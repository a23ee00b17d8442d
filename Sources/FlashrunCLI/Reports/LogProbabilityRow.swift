internal import Glibc

/// The distribution after one token as llama.cpp keeps it in a base file: 16 bits a token of the
/// vocabulary, between the likeliest and e^-16 of it.
///
/// A row is `2 * ((vocabularySize + 1) / 2) + 4` 16-bit words, little endian: two floats, the scale
/// and the least log probability, then a word for each token, of which the log probability is
/// `scale * word + least`; an odd vocabulary leaves the last word unused.
package enum LogProbabilityRow {
  package static func wordCount(vocabularySize: Int) -> Int { 2 * ((vocabularySize + 1) / 2) + 4 }

  /// Logits farther than this below the largest are stored as if they were no farther.
  private static let range: Float = 16

  /// Fills `row` from logits.
  ///
  /// - Precondition: `row` has `wordCount` words.
  package static func fill(_ row: inout [UInt16], from logits: Span<Float>) {
    precondition(row.count == wordCount(vocabularySize: logits.count), "a row fits its vocabulary")
    let (largest, logSum) = logSumOfExponents(logits)
    var least = Float.infinity
    for index in logits.indices { least = min(least, logits[index]) }
    least = max(least, largest - range)
    let scale = (largest - least) / 65535
    set(scale, at: 0, of: &row)
    set(least - largest - Float(logSum), at: 2, of: &row)
    let inverse = scale > 0 ? 1 / scale : 0
    for index in logits.indices {
      let word = (inverse * (logits[index] - least)).rounded(.toNearestOrEven)
      // What is not a number is below everything.
      row[4 + index] = word > 0 ? UInt16(min(word, 65535)) : 0
    }
    if row.count > 4 + logits.count { row[row.count - 1] = 0 }
  }

  /// The log probability of a token that a row holds.
  package static func logProbability(of token: Int, in row: Span<UInt16>) -> Float {
    value(at: 0, of: row) * Float(row[4 + token]) + value(at: 2, of: row)
  }

  /// The scale and the least log probability of a row.
  package static func scale(of row: Span<UInt16>) -> (scale: Float, least: Float) {
    (value(at: 0, of: row), value(at: 2, of: row))
  }

  /// The largest logit, and the logarithm of the sum of exponents with it taken off.
  package static func logSumOfExponents(
    _ logits: Span<Float>
  ) -> (largest: Float, logSum: Double) {
    var largest = -Float.infinity
    for index in logits.indices { largest = max(largest, logits[index]) }
    var sum = 0.0
    for index in logits.indices { sum += Double(expf(logits[index] - largest)) }
    return (largest, log(sum))
  }

  private static func set(_ value: Float, at word: Int, of row: inout [UInt16]) {
    row[word] = UInt16(truncatingIfNeeded: value.bitPattern)
    row[word + 1] = UInt16(truncatingIfNeeded: value.bitPattern >> 16)
  }

  private static func value(at word: Int, of row: Span<UInt16>) -> Float {
    Float(bitPattern: UInt32(row[word]) | UInt32(row[word + 1]) << 16)
  }
}
