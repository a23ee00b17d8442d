import FoundationEssentials

/// `novels-13m-reference.json`: what transformers computes for the bundled sample.
package struct NovelsReference: Decodable, Sendable {
  package struct Case: Decodable, Sendable {
    package var prompt: String
    package var ids: [Int32]
    package var lastLogits: [Float]
    package var tokenNLL: [Double]
    package var greedyIDs: [Int32]
    package var greedyText: String

    enum CodingKeys: String, CodingKey {
      case prompt, ids
      case lastLogits = "last_logits"
      case tokenNLL = "token_nll"
      case greedyIDs = "greedy_ids"
      case greedyText = "greedy_text"
    }
  }
  package struct HeldOut: Decodable, Sendable {
    package var context: Int
    package var chunks: Int
    package var tokens: Int
    package var perplexity: Double
  }
  package var cases: [Case]
  package var heldOut: HeldOut
  package var heldOutSecondHalf: HeldOut
  package var activeFractionPerLayer: [Double]

  enum CodingKeys: String, CodingKey {
    case cases
    case heldOut = "heldout"
    case heldOutSecondHalf = "heldout_second_half"
    case activeFractionPerLayer = "active_fraction_per_layer"
  }

  package static func load() throws -> NovelsReference {
    let path = ProjectFiles.fixtures + "/novels-13m-reference.json"
    return try JSONDecoder().decode(
      NovelsReference.self, from: Data(contentsOf: URL(filePath: path)))
  }
}
