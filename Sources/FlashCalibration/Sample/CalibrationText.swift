/// The text of a calibration in chunks: what trains, and what prices. No token is in both.
package struct CalibrationText: Equatable, Sendable {
  /// Each the begin token, where the model has one, and the next tokens of the text.
  package let training: [[Int32]]
  package let pricing: [[Int32]]
  /// Where it came from, for the certificate.
  package let name: String

  /// The most tokens of a part that are used; of a longer one chunks are taken evenly.
  package static let trainingTokenLimit = 32_768
  package static let pricingTokenLimit = 16_384

  /// Cuts one text: its last part prices.
  ///
  /// - Parameters:
  ///   - tokens: without a begin token.
  ///   - chunkLength: tokens of a chunk, the begin token included.
  ///   - pricingFraction: of the chunks, at least one.
  /// - Throws: `textTooShort` for fewer than two chunks.
  package init(
    tokens: [Int32], begin: Int32?, chunkLength: Int, pricingFraction: Double, name: String
  ) throws(CalibrationError) {
    let chunks = try Self.chunks(tokens, begin: begin, chunkLength: chunkLength, needed: 2)
    let count = min(
      chunks.count - 1, max(1, Int((Double(chunks.count) * pricingFraction).rounded())))
    training = Self.thinned(
      Array(chunks.dropLast(count)), tokenLimit: Self.trainingTokenLimit)
    pricing = Self.thinned(Array(chunks.suffix(count)), tokenLimit: Self.pricingTokenLimit)
    self.name = name
  }

  /// One text trains, another prices.
  ///
  /// - Throws: `textTooShort` where one of them makes no chunk.
  package init(
    training: [Int32], pricing: [Int32], begin: Int32?, chunkLength: Int, name: String
  ) throws(CalibrationError) {
    self.training = Self.thinned(
      try Self.chunks(training, begin: begin, chunkLength: chunkLength, needed: 1),
      tokenLimit: Self.trainingTokenLimit)
    self.pricing = Self.thinned(
      try Self.chunks(pricing, begin: begin, chunkLength: chunkLength, needed: 1),
      tokenLimit: Self.pricingTokenLimit)
    self.name = name
  }

  /// All of a text prices, and nothing trains.
  ///
  /// - Throws: `textTooShort` where it makes no chunk.
  package init(
    pricing: [Int32], begin: Int32?, chunkLength: Int, name: String
  ) throws(CalibrationError) {
    training = []
    self.pricing = Self.thinned(
      try Self.chunks(pricing, begin: begin, chunkLength: chunkLength, needed: 1),
      tokenLimit: Self.pricingTokenLimit)
    self.name = name
  }

  private static func chunks(
    _ tokens: [Int32], begin: Int32?, chunkLength: Int, needed: Int
  ) throws(CalibrationError) -> [[Int32]] {
    guard chunkLength >= 3 else { throw .chunkTooShort(chunkLength) }
    let opening = begin.map { [$0] } ?? []
    let length = chunkLength - opening.count
    let count = tokens.count / length
    guard count >= needed else {
      throw .textTooShort(
        tokenCount: tokens.count, chunkLength: chunkLength, neededChunks: needed)
    }
    return (0..<count).map { opening + tokens[$0 * length..<($0 + 1) * length] }
  }

  /// As many chunks as the limit takes, at least one, evenly over all.
  private static func thinned(_ chunks: [[Int32]], tokenLimit: Int) -> [[Int32]] {
    let most = max(1, tokenLimit / (chunks.first?.count ?? 1))
    guard chunks.count > most else { return chunks }
    return (0..<most).map { chunks[$0 * chunks.count / most] }
  }
}
