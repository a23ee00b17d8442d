import FlashKernels
import FlashTestSupport
import Foundation
import Testing

/// What the choice of an instruction set may cost a quantized store: nothing that shows.
struct InstructionSetPerplexityTests {
  private func perplexity(_ store: String, _ isa: InstructionSet) throws -> Double {
    let outcome = try Tool.run([
      "perplexity", "-m", store, "-f", ProjectFiles.root + "/LICENSE", "-c", "256", "--chunks", "2",
      "--all-tokens", "--isa", isa.rawValue,
    ])
    let words = outcome.output.split { $0 == " " || $0 == "\n" }
    let value = words.firstIndex(of: "=").flatMap { Double(words[$0 + 1]) }
    return try #require(value, "\(outcome.output)\(outcome.error)")
  }

  @Test(.enabled(if: isOptimizedBuild, "needs an optimized build"))
  func perplexityOfTwoInstructionSetsAgreesWithinTwoInAThousand() throws {
    let store = Tool.folder + "/instruction-sets.flash"
    let conversion = try Tool.run(["convert", Tool.checkpoint, store, "--type", "q4_0"])
    try #require(conversion.status == 0, "\(conversion.error)")
    let expected = try perplexity(store, .scalar)
    for isa in InstructionSet.supported.dropFirst() {
      let found = try perplexity(store, isa)
      #expect(abs(found / expected - 1) < 2e-3, "\(isa) gives \(found), scalar \(expected)")
    }
  }
}
