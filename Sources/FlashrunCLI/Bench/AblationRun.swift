internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// `bench --ablation`: the same tokens, generated with one method more in each row.
///
/// Every row opens the model anew, prefills the same prompts and decodes; the decode passes count.
/// The rows must choose the same tokens, since none of the methods may change the answer.
struct AblationRun: Sendable {
  var store: WeightStore
  /// A limit and thread count each.
  var optionSets: [EngineOptions]
  var test: BenchTest
  var repetitionCount: Int
  var force: Bool
  var seed: UInt64
  /// Where the neurons' parts go that are read apart.
  var folder: String
  var writer: BenchWriter
  var console: Console
  var flag: CancellationFlag

  private var isSparse: Bool { store.configuration.activation.isSparse }
  private var steps: [AblationStep] { AblationStep.steps(for: store.configuration) }

  /// - Throws: `Failure` where a row does not fit the limit or chooses other tokens, and what
  ///   opening, reading and writing throws.
  func run() throws {
    if !isSparse {
      console.notice(
        "no neuron of this model is ever silent (\(store.configuration.activation.rawValue)), so "
          + "there is nothing that sparsity, a window or bundling could save")
    }
    // Everything that can be refused is, before gigabytes are written or read.
    for options in optionSets { _ = try configurations(options, parts: nil) }
    let parts = isSparse ? try separateParts() : nil
    var text = PromptText(store.configuration, isWritten: isSparse, seed: seed)
    var notes: [String] = []
    for options in optionSets where !flag.isCancelled {
      let rows = try measure(configurations(options, parts: parts), &text)
      if let first = rows.first, let last = rows.last, rows.count == steps.count {
        notes.append(last.comparison(with: first))
      }
    }
    try writer.finish(notes: notes + ["build: \(Version.generator)"])
  }

  private func configurations(
    _ options: EngineOptions, parts: SeparateParts?
  ) throws -> [BenchConfiguration] {
    try steps.map { step in
      try BenchConfiguration(
        store, step.options(options, isSparse: isSparse, parts: parts),
        contextLength: test.contextLength, force: force, console: console)
    }
  }

  private func separateParts() throws -> SeparateParts {
    let required = SeparateParts.requiredByteCount(of: store)
    let free = try SeparateParts.freeByteCount(in: folder)
    console.notice(
      "\(Units.bytes(required)) of disk needed in \(folder) for neurons' parts in files of their "
        + "own, \(Units.bytes(free)) free; they go when this command ends")
    let progress = ProgressReporter("separating parts", unit: .bytes, console: console)
    defer { progress.finish() }
    return try SeparateParts(
      of: store, in: folder, isCancelled: { flag.isCancelled },
      progress: { progress.update($0, of: $1) })
  }

  private func measure(
    _ configurations: [BenchConfiguration], _ text: inout PromptText
  ) throws -> [AblationRow] {
    // The quickest configuration writes the prompts.
    if isSparse, let last = configurations.last { try prepare(&text, open(last)) }
    var rows: [AblationRow] = []
    var expected: [[Int32]]?
    for (step, configuration) in zip(steps, configurations) where !flag.isCancelled {
      _ = ProcessMemory.resetPeak()
      let model = try open(configuration)
      if !isSparse { try prepare(&text, model) }
      var (samples, tokens): ([BenchSample], [[Int32]]) = ([], [])
      for repetition in 0..<repetitionCount where !flag.isCancelled {
        var chosen: [Int32] = []
        let prompt = text.prompt(repetition, length: test.promptCount)
        let sample = try sample(prompt, model, onToken: { chosen.append($0) })
        guard let sample else { break }
        samples.append(sample)
        tokens.append(chosen)
      }
      // An interrupted row is not comparable with the others.
      guard samples.count == repetitionCount else { break }
      guard expected == nil || expected == tokens else {
        throw Failure(
          .failure,
          "the row \(step.title) chose other tokens than those above it: a fault of "
            + "this program")
      }
      expected = tokens
      let row = AblationRow(
        step: step, steps: steps, configuration: configuration, samples: samples, test: test,
        previous: rows.last?.milliseconds, label: OpenModelLabel(model.decoder),
        peakByteCount: ProcessMemory()?.peak)
      try writer.append(row.record(ModelLabel(store)))
      rows.append(row)
    }
    return rows
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
