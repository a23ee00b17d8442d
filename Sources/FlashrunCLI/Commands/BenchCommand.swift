internal import ArgumentParser
internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// `bench`: how fast a model runs here, and what each method brings.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure prompt and decode speed.",
    discussion: """
      Prints a table like llama-bench's: ppN is a prompt of N tokens, tgN the generation of N \
      after one. -p, -n, -t and --mem-limit take lists, and every combination is measured; all \
      limits are checked before the first run. Results are printed as they come; Ctrl-C ends with \
      those that are there.

      A ReLU model reads what its tokens fire, so its prompts are text that it wrote itself, \
      greedily from a random token, before anything is measured; each repetition's begins an \
      eighth of its length further on. Other models get random tokens. Generations are greedy and \
      pass end tokens. --prompts says what a repetition finds in memory: rotating (the default) \
      is another prompt each time, warm the same again, cold the model freshly opened.

      --roofline measures what the device does and, before and after each repetition, how fast \
      DRAM is read, and says \
      which of them bounds each run, and how near the run came; arithmetic and latency are not in \
      that bound.

      --ablation adds the methods of LLM in a Flash one by one, each row a run: nothing resident; \
      all but the feed-forward part; only neurons that fire; a window of those that fired lately; \
      their parts read together; reads while there is arithmetic. A row waits for its reads before \
      it goes on, but for the last. Rows before bundling read up rows and down columns from files \
      of their own, made for it. With --sparsity predicted, predictors say what fires.

      --compare-modes decodes after the same prompts dense, exact and, with a certificate, whose \
      perplexity it prints, predicted; the last two under each --cache-policy.
      """)

  @OptionGroup(title: "Model") var model: ModelOptions

  @Option(
    name: [.customShort("p"), .customLong("n-prompt")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Tokens of the prompt; 0 measures none. A list, or repeated. (default: 512)",
      valueName: "n"))
  var prompts: [CountList] = []

  @Option(
    name: [.customShort("n"), .customLong("n-gen")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Tokens to generate; 0 measures none. A list, or repeated. (default: 128)",
      valueName: "n"))
  var generations: [CountList] = []

  @Option(
    name: .customLong("pg", withSingleDash: true),
    help: ArgumentHelp(
      "A prompt and the generation after it as one test; may be repeated.", valueName: "p,n"))
  var pairs: [TestPair] = []

  @Option(
    name: [.customShort("r"), .customLong("repetitions")],
    help: ArgumentHelp("Repetitions of each test. (default: 5)", valueName: "n"))
  var repetitions: Int?

  @Flag(help: "Count the first run of each test too.")
  var noWarmup = false

  @Option(
    name: .customLong("prompts"),
    help: ArgumentHelp(
      "What a repetition finds in memory: cold, warm, rotating or all.", valueName: "which"))
  var cacheStates: CacheState.Choice = .rotating

  @Option(name: [.customShort("s"), .long], help: ArgumentHelp("For the prompts.", valueName: "n"))
  var seed: UInt64 = 42

  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp("md, csv, json or jsonl.", valueName: "format"))
  var format: BenchFormat = .md

  @Flag(help: "Measure DRAM and the device, and say how near each run came.")
  var roofline = false

  @Flag(help: "Measure what each method brings; defaults are then -p 64 -n 32 -r 1.")
  var ablation = false

  @Flag(help: "Measure dense, exact and predicted side by side; -p 64 -n 32 -r 1 are defaults.")
  var compareModes = false

  @Option(
    help: ArgumentHelp(
      "Folder on the disk for --ablation's files. (default: beside the store)",
      valueName: "folder"))
  var ablationDir: String?

  @Option(
    help: ArgumentHelp(
      "Write a trace of the repetitions that count, as `run --trace` does.", valueName: "file"))
  var trace: String?

  @OptionGroup(title: "Memory, flash and arithmetic") var flags: EngineFlags

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() async throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    var optionSets = try flags.engineOptionSets(settings)
    let tests = try tests()
    let tracePath = try settings.value(trace, "trace")
    if ablation, tracePath != nil { throw Failure(.usage, "--ablation takes no --trace") }
    let path = try ModelLocator(
      console: console, converts: settings.isOn(flags.convert, "convert")
    ).store(named: model.path(settings))
    let store = try WeightStore.open(path)
    let trace = try tracePath.map { try RunTrace(path: $0) }
    if let trace {
      for index in optionSets.indices { trace.plan(for: store, &optionSets[index]) }
    }
    if roofline {
      for index in optionSets.indices {
        optionSets[index].decoder.callerItems.append(Roofline.besideModel)
      }
    }
    try fitToDevice(&optionSets, of: store, settings, console)
    let flag = CancellationFlag()
    Interrupts.onFirst { flag.cancel() }
    let writer = BenchWriter(format, write: Output.write)
    do {
      // Other kinds of measurement are other runs here, over the same options and writer.
      if ablation {
        let run = try ablationRun(store, optionSets, tests[0], writer, console, flag)
        try await EngineThread().run { try run.run() }
      } else if compareModes {
        let run = ModeComparison(
          passes: try passes(store, tests[0], console, flag),
          optionSets: limited(optionSets, store), force: flags.force, seed: seed, writer: writer)
        try await EngineThread().run { try run.run() }
      } else {
        let run = try speedRun(store, optionSets, tests, trace, writer, console, flag)
        try await EngineThread().run { try run.run() }
        trace?.report(on: console)
      }
    } catch {
      // What was measured is whole, also where something failed after it.
      if writer.hasBegun { try writer.finish() }
      throw error
    }
  }

  /// All limits read alike: what the first one that reads neurons wants.
  private func fitToDevice(
    _ sets: inout [EngineOptions], of store: WeightStore, _ settings: Settings, _ console: Console
  ) throws {
    let keepsDepth = try flags.choosesQueueDepth(settings)
    let fitted = sets.lazy.compactMap { $0.fitted(toDeviceOf: store, keepsDepth: keepsDepth) }.first
    guard let fitted else { return }
    console.notice(fitted.line)
    for index in sets.indices {
      sets[index].decoder.storage.mergeGapByteCount = fitted.0.decoder.storage.mergeGapByteCount
      sets[index].decoder.storage.queueDepth = fitted.0.decoder.storage.queueDepth
    }
  }

  private func speedRun(
    _ store: WeightStore, _ optionSets: [EngineOptions], _ tests: [BenchTest], _ trace: RunTrace?,
    _ writer: BenchWriter, _ console: Console, _ flag: CancellationFlag
  ) throws -> SpeedRun {
    let contextLength = tests.map(\.contextLength).max() ?? 1
    return SpeedRun(
      store: store,
      configurations: try optionSets.map {
        try BenchConfiguration(
          store, $0, contextLength: contextLength, force: flags.force, console: console)
      },
      tests: tests, states: cacheStates.states, repetitionCount: try repetitionCount(default: 5),
      warmsUp: !noWarmup, measuresRoofline: roofline, seed: seed, trace: trace, writer: writer,
      console: console, flag: flag)
  }

  private func ablationRun(
    _ store: WeightStore, _ optionSets: [EngineOptions], _ test: BenchTest,
    _ writer: BenchWriter, _ console: Console, _ flag: CancellationFlag
  ) throws -> AblationRun {
    AblationRun(
      passes: try passes(store, test, console, flag), optionSets: limited(optionSets, store),
      force: flags.force, seed: seed, folder: ablationDir ?? Self.folder(of: store.path),
      writer: writer)
  }

  private func passes(
    _ store: WeightStore, _ test: BenchTest, _ console: Console, _ flag: CancellationFlag
  ) throws -> DecodePasses {
    DecodePasses(
      store: store, test: test, repetitionCount: try repetitionCount(default: 1),
      console: console, flag: flag)
  }

  /// Options under which something must go, where nobody chose a limit: `exact` and `threshold`
  /// need some 60 % of a model.
  private func limited(_ optionSets: [EngineOptions], _ store: WeightStore) -> [EngineOptions] {
    optionSets.map { options in
      guard options.memoryLimit == .automatic else { return options }
      var options = options
      let sparsity = options.decoder.sparsity
      let holdsGates =
        sparsity == .threshold
        || store.configuration.hasSilentNeurons && sparsity != .predicted
      options.memoryLimit = .fractionOfModel(holdsGates ? 0.65 : 0.5)
      return options
    }
  }

  /// What is measured: prompts, then generations, then pairs.
  private func tests() throws(Failure) -> [BenchTest] {
    guard !(ablation && compareModes) else {
      throw Failure(.usage, "give --ablation or --compare-modes, not both")
    }
    let isTable = ablation || compareModes
    let prompts = try counts(prompts, "-p", default: isTable ? 64 : 512)
    let generations = try counts(generations, "-n", default: isTable ? 32 : 128)
    if isTable {
      guard prompts.count == 1, generations.count == 1, pairs.isEmpty, !roofline,
        prompts[0] > 0, generations[0] > 0
      else {
        throw Failure(
          .usage,
          "\(ablation ? "--ablation" : "--compare-modes") takes one -p and one -n, both at least "
            + "1, no -pg and no --roofline")
      }
      return [BenchTest(promptCount: prompts[0], generationCount: generations[0])]
    }
    let tests =
      prompts.map { BenchTest(promptCount: $0, generationCount: 0) }
      + generations.map { BenchTest(promptCount: 0, generationCount: $0) } + pairs.map(\.test)
    let measured = tests.filter { $0.tokenCount > 0 }
    guard !measured.isEmpty else { throw Failure(.usage, "-p 0 -n 0: there is nothing to measure") }
    return measured
  }

  private func counts(
    _ lists: [CountList], _ name: String, default count: Int
  ) throws(Failure) -> [Int] {
    let counts = lists.isEmpty ? [count] : lists.flatMap(\.counts)
    for count in counts where !(0...Self.mostTokens).contains(count) {
      throw Failure(.usage, "\(name) \(count): it must be 0 or more, at most \(Self.mostTokens)")
    }
    return counts
  }

  private func repetitionCount(default count: Int) throws(Failure) -> Int {
    let count = repetitions ?? count
    guard (1...Self.mostTokens).contains(count) else {
      throw Failure(.usage, "-r \(count): it must be at least 1, at most \(Self.mostTokens)")
    }
    return count
  }

  private static let mostTokens = 1 << 24

  /// The folder that holds a store.
  private static func folder(of path: String) -> String {
    let trimmed = path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }
}
