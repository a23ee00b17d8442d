internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// `bench --ablation`: the same tokens, generated with one method more in each row.
///
/// Every row prefills the same prompts and decodes. The rows must choose the same tokens, since
/// none of the methods may change the answer; with predictors the rows that use them, among
/// themselves.
struct AblationRun: Sendable {
  var passes: DecodePasses
  /// A limit and thread count each.
  var optionSets: [EngineOptions]
  var force: Bool
  var seed: UInt64
  /// Where the neurons' parts go that are read apart.
  var folder: String
  var writer: BenchWriter

  private var store: WeightStore { passes.store }
  private var console: Console { passes.console }
  private var flag: CancellationFlag { passes.flag }
  /// Whether neurons are left out.
  private var isSparse: Bool {
    store.configuration.hasSilentNeurons
      || optionSets.contains { $0.decoder.sparsity == .threshold }
  }
  private var steps: [AblationStep] { AblationStep.steps(isSparse: isSparse) }
  /// Whether predictors say what fires.
  private var isPredicted: Bool {
    optionSets.contains { $0.decoder.sparsity == .predicted }
  }

  /// - Throws: `Failure` where a row does not fit the limit or chooses other tokens, and what
  ///   opening, reading and writing throws.
  func run() throws {
    guard store.configuration.routing == nil else {
      throw Failure(
        .usage,
        "--ablation begins with all weights read in order, which is nothing for a model with "
          + "experts",
        hints: ["--mem-limit 25%,50%,100% shows what a window of experts saves"])
    }
    if !isSparse {
      console.notice(
        "no neuron of this model is ever silent (\(store.configuration.activation.rawValue)), so "
          + "there is nothing that sparsity, a window or bundling could save without "
          + "--sparsity threshold")
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
        contextLength: passes.test.contextLength, force: force, console: console)
    }
  }

  private func separateParts() throws -> SeparateParts {
    guard SeparateParts.canSeparate(store.manifest, isWhole: isPredicted) else {
      throw Failure(
        .usage,
        "--ablation reads neurons' parts from files of their own, whose rows are of one length; "
          + "this store has them in different types (convert --type makes them one)")
    }
    let required = SeparateParts.requiredByteCount(of: store, isWhole: isPredicted)
    let free = try SeparateParts.freeByteCount(in: folder)
    console.notice(
      "\(Units.bytes(required)) of disk needed in \(folder) for neurons' parts in files of their "
        + "own, \(Units.bytes(free)) free; they go when this command ends")
    let progress = ProgressReporter("separating parts", unit: .bytes, console: console)
    defer { progress.finish() }
    return try SeparateParts(
      of: store, in: folder, isWhole: isPredicted, isCancelled: { flag.isCancelled },
      progress: { progress.update($0, of: $1) })
  }

  private func measure(
    _ configurations: [BenchConfiguration], _ text: inout PromptText
  ) throws -> [AblationRow] {
    // The quickest configuration writes the prompts.
    if isSparse, let last = configurations.last { try passes.prepare(&text, last) }
    var rows: [AblationRow] = []
    var expected: [Bool: [[Int32]]] = [:]
    for (step, configuration) in zip(steps, configurations) where !flag.isCancelled {
      guard let outcome = try passes.measure(configuration, &text) else { break }
      let isLossy = configuration.mode.isLossy
      guard expected[isLossy] == nil || expected[isLossy] == outcome.tokens else {
        throw Failure(
          .failure,
          "the row \(step.title) chose other tokens than those above it: a fault of "
            + "this program")
      }
      expected[isLossy] = outcome.tokens
      let row = AblationRow(
        step: step, steps: steps, configuration: configuration, outcome: outcome,
        test: passes.test, previous: rows.last?.milliseconds)
      try writer.append(row.record(ModelLabel(store)))
      rows.append(row)
    }
    return rows
  }
}
