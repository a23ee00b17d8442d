import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// RoPE's scalings as GGUF files spell them are those of checkpoints.
struct GGUFRotaryTests {
  let folder = ScratchFolder()

  /// A tiny Llama with these keys and tensors.
  private func file(
    _ keys: [String: GGUFBuilder.Value], _ tensors: [String: [Float]] = [:],
    architecture: String = "llama"
  ) -> GGUFBuilder {
    var file = GGUFBuilder.llama(architecture: architecture)
    for (key, value) in keys.sorted(by: { $0.key < $1.key }) {
      file.entries.append(("\(architecture).rope.\(key)", value))
    }
    for (name, values) in tensors.sorted(by: { $0.key < $1.key }) {
      file.add("rope_\(name).weight", [values.count], values)
    }
    return file
  }

  private func converter(_ file: GGUFBuilder) throws -> Converter {
    try Data(file.bytes).write(to: URL(filePath: folder / "model.gguf"))
    return try Converter(
      readingOnly: folder / "model.gguf", options: ConversionOptions(formats: StoreFormats()))
  }

  private func scaling(_ file: GGUFBuilder) throws -> RotaryConfiguration.Scaling {
    guard case .rotary(let rotary) = try converter(file).plan.configuration.positions else {
      return .none
    }
    return rotary.scaling
  }

  @Test func yarnIsReadWithItsNumbers() throws {
    let least: [String: GGUFBuilder.Value] = [
      "scaling.type": .string("yarn"), "scaling.factor": .float(4),
      "scaling.original_context_length": .uint32(32),
    ]
    let magnitude = 1 + 0.1 * Foundation.log(4.0)
    #expect(
      try scaling(file(least))
        == .yarn(
          factor: 4, magnitude: magnitude, fastTurns: 32, slowTurns: 1,
          originalMaximumPositions: 32, isTruncated: true))
    // Without a length before the stretch it is the context's.
    let short = least.filter { $0.key != "scaling.original_context_length" }
    guard case .yarn(_, _, _, _, let original, _) = try scaling(file(short)) else {
      Issue.record("no YaRN")
      return
    }
    #expect(original == 128)
    let most = least.merging([
      "scaling.attn_factor": .float(1.25), "scaling.yarn_attn_factor": .float(2),
      "scaling.yarn_ext_factor": .float(1), "scaling.yarn_beta_fast": .float(16),
      "scaling.yarn_beta_slow": .float(2), "scaling.yarn_log_multiplier": .float(0),
    ]) { $1 }
    #expect(
      try scaling(file(most))
        == .yarn(
          factor: 4, magnitude: 2.5 * magnitude, fastTurns: 16, slowTurns: 2,
          originalMaximumPositions: 32, isTruncated: true))
  }

  @Test func longRopeIsReadFromItsTensors() throws {
    let short: [Float] = [1, 1, 1.5, 2, 2.5, 3, 3.5, 4]
    let long: [Float] = [1, 2, 4, 8, 16, 20, 24, 32]
    let tensors = ["factors_short": short, "factors_long": long]
    let keys: [String: GGUFBuilder.Value] = [
      "scaling.original_context_length": .uint32(32), "scaling.attn_factor": .float(1.25),
    ]
    #expect(
      try scaling(file(keys, tensors))
        == .longRope(
          short: short, long: long, magnitude: 1.25, originalMaximumPositions: 32))
    let plain = keys.filter { $0.key != "scaling.attn_factor" }
    #expect(
      try scaling(file(plain.merging(["scaling.type": .string("longrope")]) { $1 }, tensors))
        == .longRope(short: short, long: long, magnitude: 1, originalMaximumPositions: 32))
  }

  @Test func whatIsMissingOrNotKnownIsNamed() throws {
    func refusal(
      _ keys: [String: GGUFBuilder.Value], _ tensors: [String: [Float]] = [:]
    ) throws -> StoreError {
      let file = file(keys, tensors)
      return try #require(throws: StoreError.self) { try converter(file) }
    }
    let yarn: [String: GGUFBuilder.Value] = [
      "scaling.type": .string("yarn"), "scaling.factor": .float(4),
    ]
    let half = try refusal([:], ["factors_short": Array(repeating: 1, count: 8)])
    #expect(half.kind == .missingTensor && half.tensor == "rope_factors_long.weight")
    let few = try refusal([:], ["factors_short": [1, 2], "factors_long": [1, 2]])
    #expect(few.kind == .configuration && "\(few)".contains("8 numbers"))
    let factor = try refusal(["scaling.type": .string("yarn")])
    #expect(factor.kind == .configuration && "\(factor)".contains("factor"))
    for (key, value) in ["yarn_ext_factor": Float(0.5), "yarn_log_multiplier": 0.1] {
      let part = try refusal(yarn.merging(["scaling.\(key)": .float(value)]) { $1 })
      #expect(part.kind == .unsupportedModel && "\(part)".contains(key))
    }
    // Without YaRN or LongRoPE nothing scales cosines and sines.
    let scaled = try refusal(["scaling.attn_factor": .float(1.25)])
    #expect(scaled.kind == .unsupportedModel && "\(scaled)".contains("attn_factor"))
    let foreign = try refusal(["scaling.type": .string("spiral")])
    #expect(foreign.kind == .unsupportedModel && foreign.found == "spiral")
  }
}
