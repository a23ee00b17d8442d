internal import ArgumentParser
internal import FlashWindow
internal import Flashrun

/// `run`: continues a prompt, streams the text to standard output, and ends with the footer.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Continue a prompt.",
    discussion: """
      Special tokens written in the prompt are recognised, as llama.cpp does with -p. The first \
      Ctrl-C stops the generation and prints the footer, a second one ends at once.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @OptionGroup(title: "Prompt") var prompt: PromptFlags

  @OptionGroup(title: "Generation") var generation: GenerationFlags

  @OptionGroup(title: "Sampling") var sampling: SamplingFlags

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup(title: "Reports") var reports: ReportFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    try reports.check(settings)
    let options = try generation.generationOptions(settings, sampling: sampling)
    _ = try flags.engineOptions(settings)
    let named = try model.path(settings)
    let locator = ModelLocator(
      console: console, converts: try settings.isOn(flags.convert, "convert"))
    let found = try named.map { try locator.store(named: $0) }
    let text = try prompt.text(default: named == nil ? BundledSample.prompt : nil)
    let path = try found ?? locator.store(named: nil)
    let trace = try settings.value(reports.trace, "trace").map { try RunTrace(path: $0) }
    let session = try await EngineSession.open(
      store: path, flags: flags, settings: settings, console: console, needsText: true
    ) { trace?.plan(for: $0, &$1) }
    let vocabularySize = session.facts.vocabularySize
    if let token = options.sampling.logitBias.keys.max(), token >= vocabularySize {
      throw Failure(
        .usage, "--logit-bias \(token): the model's token ids end at \(vocabularySize - 1)")
    }
    if let trace { try await session.engine.withModel { try trace.begin($0) } }
    let generation = session.engine.generate(.text(text), options: options)
    Interrupts.onFirst { generation.cancel() }
    let result = try await show(
      generation,
      prompt: try settings.isOn(prompt.noDisplayPrompt, "no-display-prompt") ? "" : text,
      console: console)
    if let trace { await session.engine.withModel { trace.end(result, $0) } }
    trace?.report(on: console)
    finish(session, result, settings: settings, console: console)
  }

  /// Streams the text; the prompt comes with the first of it, so that a progress bar never stands
  /// in its line.
  private func show(
    _ generation: Generation, prompt: String, console: Console
  ) async throws -> GenerationResult {
    let progress = ProgressReporter("prompt", unit: .items("tok"), console: console)
    var pending = prompt
    var finished: GenerationResult?
    for try await event in generation {
      switch event {
      case .prefill(let done, let total): progress.update(done, of: total)
      case .token:
        progress.finish()
        if !pending.isEmpty { try Output.write(pending) }
        pending = ""
      case .text(let piece): try Output.write(piece)
      case .finished(let result): finished = result
      }
    }
    progress.finish()
    try Output.line(pending)
    guard let finished else { throw Failure(.failure, "the generation ended without a result") }
    return finished
  }

  private func finish(
    _ session: EngineSession, _ result: GenerationResult, settings: Settings, console: Console
  ) {
    let facts = session.facts
    if result.reason == .contextFull {
      let more = facts.plan.contextLength < facts.trainedPositions
      console.notice(
        "the context of \(facts.plan.contextLength) positions is full"
          + (more ? "; -c N makes it larger" : ", and the model was trained for no more"))
    }
    console.notice("seed \(result.seed)")
    let report = RunReport(facts, result)
    console.notice(report.text)
    reports.writeStatistics(report.json, settings: settings, console: console)
  }
}
