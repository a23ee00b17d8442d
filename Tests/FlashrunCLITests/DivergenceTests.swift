import FlashTestSupport
import FlashrunCLI
import Foundation
import Testing

/// `--kl-divergence-base` and `--kl-divergence`: the file by its published layout, read here byte
/// by byte, and the statistics.
@Suite struct DivergenceTests {
  private static let text = ProjectFiles.root + "/README.md"

  private static func perplexity(_ arguments: [String], store: String) throws -> Tool.Outcome {
    try Tool.run(["perplexity", "-m", store, "-c", "32", "--chunks", "9", "-q"] + arguments)
  }

  /// A base file of the sample in f32, and what was printed while it was written.
  private static let base = Result { () throws -> (path: String, output: String) in
    let path = Tool.folder + "/base.kld"
    let outcome = try perplexity(
      ["-f", text, "--kl-divergence-base", path], store: Tool.store.get())
    try #require(outcome.status == 0, "\(outcome.error)")
    return (path, outcome.output)
  }

  @Test func aBaseFileHasThePublishedLayout() throws {
    let base = try Self.base.get()
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: base.path)))
    func integer(_ at: Int, _ count: Int) -> Int {
      bytes[at..<at + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    func float(_ at: Int) -> Float { Float(bitPattern: UInt32(integer(at, 4))) }
    #expect(Array(bytes[..<8]) == Array("_logits_".utf8))
    let (context, vocabulary, chunks) = (integer(8, 4), integer(12, 4), integer(16, 4))
    #expect(context == 32 && vocabulary == 4096 && chunks == 9)
    let tokens = (0..<context * chunks).map { integer(20 + 4 * $0, 4) }
    let rows = 20 + 4 * tokens.count
    let rowBytes = 2 * (4 + vocabulary)
    #expect(bytes.count == rows + chunks * (context - 1 - context / 2) * rowBytes)
    var loss = 0.0
    var count = 0
    for chunk in 0..<chunks {
      for position in context / 2..<context - 1 {
        let row = rows + count * rowBytes
        let (scale, least) = (float(row), float(row + 4))
        let probabilities = (0..<vocabulary).map {
          exp(Double(scale * Float(integer(row + 8 + 2 * $0, 2)) + least))
        }
        #expect(abs(probabilities.reduce(0, +) - 1) < 2e-3)
        loss -= log(probabilities[tokens[chunk * context + position + 1]])
        count += 1
      }
    }
    // The perplexity that was printed, but for sixteen bits a probability.
    let line = try #require(base.output.split(separator: "\n").last)
    let printed = try #require(Double(line.split(separator: " ")[4]))
    #expect(abs(exp(loss / Double(count)) / printed - 1) < 2e-4)
  }

  @Test func aModelHasNoDivergenceFromItself() throws {
    let outcome = try Self.perplexity(
      ["--kl-divergence-base", Self.base.get().path, "--kl-divergence"], store: Tool.store.get())
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(abs(try Self.number("Mean    KLD:", outcome.output)) < 2e-5)
    #expect(try Self.number("Same top p:", outcome.output) == 100)
    #expect(abs(try Self.number("Mean PPL(Q)/PPL(base)         :", outcome.output) - 1) < 1e-4)
    #expect(outcome.output.hasPrefix("chunk             PPL "))
    for name in ["Cor(ln(PPL(Q)), ln(PPL(base))):", "99.9%   KLD:", "Median  KLD:", "RMS Δp    :"] {
      _ = try Self.number(name, outcome.output)
    }
  }

  @Test func aCoarserModelDiverges() throws {
    let store = Tool.folder + "/coarse.flash"
    let converted = try Tool.run(["convert", Tool.checkpoint, store, "--type", "q4_0"])
    try #require(converted.status == 0, "\(converted.error)")
    let outcome = try Self.perplexity(
      ["-f", Self.text, "--kl-divergence-base", Self.base.get().path, "--kl-divergence"],
      store: store)
    #expect(outcome.status == 0, "\(outcome.error)")
    let divergence = try Self.number("Mean    KLD:", outcome.output)
    #expect(divergence > 1e-3 && divergence < 0.5)
    let same = try Self.number("Same top p:", outcome.output)
    #expect(same > 50 && same < 100)
    #expect(try Self.number("Minimum KLD:", outcome.output) >= -1e-3)
    #expect(
      try Self.number("Maximum KLD:", outcome.output)
        >= Self.number("99.0%   KLD:", outcome.output))
  }

  @Test func aFileOfSomethingElseIsRefusedWithBothNumbers() throws {
    let base = try [UInt8](Data(contentsOf: URL(filePath: Self.base.get().path)))
    func write(_ bytes: [UInt8], _ name: String) throws -> String {
      let path = "\(Tool.folder)/\(name).kld"
      try Data(bytes).write(to: URL(filePath: path))
      return path
    }
    var vocabulary = base
    vocabulary[12...13] = [0xE8, 0x03]
    var text = base
    text[20 + 4 * 5] ^= 1
    let cases: [(path: String, arguments: [String], text: String)] = [
      (try write(Array("GGUF and more than twenty bytes".utf8), "none"), [], "is no file of base"),
      (try write([], "empty"), [], "is no file of base logits"),
      (try write(Array(base.dropLast(100)), "cut"), [], "\(base.count - 100) bytes"),
      (try write(vocabulary, "vocabulary"), [], "1000 tokens, and the model has 4096"),
      (try write(text, "text"), ["-f", Self.text], "its token 5 is"),
      (try Self.base.get().path, ["-c", "64"], "chunks of 32 tokens, not of 64"),
    ]
    for expected in cases {
      let outcome = try Self.perplexity(
        ["--kl-divergence-base", expected.path, "--kl-divergence"] + expected.arguments,
        store: Tool.store.get())
      #expect(outcome.status == 65, "\(expected.path): \(outcome.error)")
      #expect(outcome.error.contains(expected.text), "\(expected.path): \(outcome.error)")
    }
  }

  /// Two distributions of three tokens, by hand.
  @Test func theStatisticsAreThoseOfTheDefinition() {
    let logits: [Float] = [log(0.5), log(0.25), log(0.25)]
    let baseLogits: [Float] = [log(0.25), log(0.5), log(0.25)]
    var row = [UInt16](repeating: 7, count: LogProbabilityRow.wordCount(vocabularySize: 3))
    #expect(row.count == 8)
    LogProbabilityRow.fill(&row, from: baseLogits.span)
    #expect(row[4] == 0 && row[5] == 65535 && row[6] == 0 && row[7] == 0)
    var estimate = DivergenceEstimate()
    for _ in 0..<20 { estimate.add(logits: logits.span, base: row.span, target: 0) }
    // 1/4 ln(1/2) + 1/2 ln 2
    #expect(abs(estimate.divergence.value - 0.25 * log(2)) < 1e-6)
    #expect(abs(estimate.perplexity.value - 2) < 1e-6)
    #expect(abs(estimate.basePerplexity.value - 4) < 1e-5)
    #expect(abs(estimate.change.value - 0.25) < 1e-6)
    #expect(abs(estimate.changeRMS.value - 0.25) < 1e-6)
    #expect(estimate.sameTop.value == 0)
    #expect(abs(estimate.logRatio.value + log(2)) < 1e-6)
  }

  /// What is far below the likeliest is stored as e^-16 of it, and equal logits have no scale.
  @Test func rowsHoldTheWholeRange() {
    var row = [UInt16](repeating: 0, count: LogProbabilityRow.wordCount(vocabularySize: 4))
    let wide: [Float] = [0, -40, -8, -.infinity]
    LogProbabilityRow.fill(&row, from: wide.span)
    #expect(row[4] == 65535 && row[5] == 0 && row[7] == 0)
    #expect(abs(LogProbabilityRow.logProbability(of: 2, in: row.span) + 8) < 1e-3)
    let flat: [Float] = [3, 3, 3, 3]
    LogProbabilityRow.fill(&row, from: flat.span)
    #expect(abs(LogProbabilityRow.logProbability(of: 1, in: row.span) + log(Float(4))) < 1e-6)
  }

  /// The first number after a name at a line's begin.
  private static func number(_ name: String, _ output: String) throws -> Double {
    let line = try #require(
      output.split(separator: "\n").first { $0.hasPrefix(name) }, "\(name) in \(output)")
    let word = String(line.dropFirst(name.count).split(separator: " ").first ?? "")
      .filter { $0 != "%" }
    return try #require(Double(word), "\(line)")
  }
}
