internal import FlashIO
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// The same prompts and generations under one configuration after another, for tables of runs side
/// by side. Every configuration opens the model anew; its decode passes count, prompts do not.
struct DecodePasses: Sendable {
  var store: WeightStore
  var test: BenchTest
  var repetitionCount: Int
  var console: Console
  var flag: CancellationFlag

  /// What one configuration did.
  struct Outcome: Sendable {
    /// One for each repetition.
    var samples: [BenchSample]
    /// What each repetition chose.
    var tokens: [[Int32]]
    var label: OpenModelLabel
    var peakByteCount: Int?

    var total: DecoderStatistics { samples.reduce(into: .init()) { $0 += $1.decoder } }

    var hitRate: Double? {
      let lookups = total.windowHits + total.windowMisses
      return lookups > 0 ? Double(total.windowHits) / Double(lookups) : nil
    }
  }

  /// Makes the prompts with the model under a configuration.
  func prepare(_ text: inout PromptText, _ configuration: BenchConfiguration) throws {
    try prepare(&text, open(configuration))
  }

  /// Nil where it was interrupted: such a row is not comparable with others.
  ///
  /// - Throws: what opening a model and generating throws.
  func measure(
    _ configuration: BenchConfiguration, _ text: inout PromptText
  ) throws -> Outcome? {
    _ = ProcessMemory.resetPeak()
    let model = try open(configuration)
    try prepare(&text, model)
    var (samples, tokens): ([BenchSample], [[Int32]]) = ([], [])
    for repetition in 0..<repetitionCount where !flag.isCancelled {
      var chosen: [Int32] = []
      let prompt = text.prompt(repetition, length: test.promptCount)
      let sample = try sample(prompt, model, onToken: { chosen.append($0) })
      guard let sample else { break }
      samples.append(sample)
      tokens.append(chosen)
    }
    guard samples.count == repetitionCount else { return nil }
    return Outcome(
      samples: samples, tokens: tokens, label: OpenModelLabel(model.decoder),
      peakByteCount: ProcessMemory()?.peak)
  }

  private func open(_ configuration: BenchConfiguration) throws -> OpenModel {
    let progress = ProgressReporter("load", unit: .bytes, console: console)
    defer { progress.finish() }
    return try OpenModel(path: store.path, options: configuration.options) {
      progress.update($0, of: $1)
    }
  }

  private func prepare(_ text: inout PromptText, _ model: OpenModel) throws {
    let progress = ProgressReporter("writing prompts", unit: .items("tok"), console: console)
    defer { progress.finish() }
    try text.prepare(
      count: repetitionCount, length: test.promptCount, model: model,
      isCancelled: { flag.isCancelled }, progress: { progress.update($0, of: $1) })
  }

  /// The decode passes after a prompt; nil where it was interrupted.
  private func sample(
    _ prompt: [Int32], _ model: OpenModel, onToken: @escaping (Int32) -> Void
  ) throws -> BenchSample? {
    let result = try model.generate(
      .tokens(prompt), options: .greedy(tokenCount: test.generationCount + 1),
      isCancelled: { flag.isCancelled },
      onEvent: { event in if case .token(let token) = event { onToken(token) } })
    return BenchSample(
      result, of: BenchTest(promptCount: 0, generationCount: test.generationCount))
  }
}
