internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import Flashrun
internal import FoundationEssentials

/// The tests of `bench`, one configuration after another, each result printed when it is there.
///
/// One configuration's model is open at a time, and the process's peak is set back before it is
/// opened, so that one limit's figures do not show in another's.
struct SpeedRun: Sendable {
  var store: WeightStore
  var configurations: [BenchConfiguration]
  var tests: [BenchTest]
  var states: [CacheState]
  var repetitionCount: Int
  var warmsUp: Bool
  var measuresRoofline: Bool
  var seed: UInt64
  /// Where repetitions that count are traced.
  var trace: RunTrace?
  var writer: BenchWriter
  var console: Console
  var flag: CancellationFlag

  /// Measures everything; after a cancellation what was measured is printed all the same.
  ///
  /// - Throws: what opening a model and generating throws.
  func run() throws {
    let isWritten = configurations.contains { $0.mode != .dense }
    var text = PromptText(store.configuration, isWritten: isWritten, seed: seed)
    var notes: [String] = []
    for configuration in configurations where !flag.isCancelled {
      var roofline: Roofline?
      if measuresRoofline {
        let measured = try Roofline(store, configuration)
        notes.append("limit \(configuration.limitText): \(measured.text)")
        console.notice(measured.text)
        roofline = measured
      }
      try measure(configuration, &text, roofline)
    }
    try writer.finish(notes: notes + ["build: \(Version.generator)"])
  }

  private func measure(
    _ configuration: BenchConfiguration, _ text: inout PromptText, _ roofline: Roofline?
  ) throws {
    if !ProcessMemory.resetPeak() {
      console.detail("the kernel does not set the peak of memory back: it is the process's")
    }
    let pool = roofline.map { WorkerPool(threadCount: $0.threadCount) }
    var model: OpenModel? = try open(configuration)
    var recorder = try model.flatMap { try trace?.recorder(for: $0) }
    if let model {
      EngineFacts(model).announce(on: console)
      try prepare(&text, model)
    }
    for state in states {
      for test in tests where !flag.isCancelled {
        if state != .cold, warmsUp, let model { try warmUp(test, configuration, model, text) }
        let time = Date.now.ISO8601Format()
        var samples: [BenchSample] = []
        for repetition in 0..<repetitionCount where !flag.isCancelled {
          if state == .cold {
            // The old one goes first: there is room for one.
            model = nil
            recorder = nil
            model = try open(configuration)
            recorder = try model.flatMap { try trace?.recorder(for: $0) }
          }
          guard let model else { break }
          let index = state == .rotating ? repetition + 1 : 0
          let before = try hostRates(configuration, model.decoder, pool)
          guard var sample = try sample(test, prompt: index, model, text, recorder: recorder)
          else { continue }
          sample.note(before, try hostRates(configuration, model.decoder, pool))
          samples.append(sample)
        }
        guard !samples.isEmpty, let model else { continue }
        try write(
          BenchResult(
            test: test, cacheState: state, samples: samples, time: time,
            peakByteCount: ProcessMemory()?.peak),
          configuration, model.decoder, roofline)
      }
    }
  }

  /// What DRAM and the device give beside the open model; nothing without `--roofline`.
  private func hostRates(
    _ configuration: BenchConfiguration, _ decoder: Decoder, _ pool: WorkerPool?
  ) throws -> (memory: Double?, device: DeviceProfile?) {
    guard let pool else { return (nil, nil) }
    return (
      Roofline.memoryBandwidth(of: decoder, pool: pool),
      try Roofline.device(of: store, configuration)
    )
  }

  private func write(
    _ result: BenchResult, _ configuration: BenchConfiguration, _ decoder: Decoder,
    _ roofline: Roofline?
  ) throws {
    var result = result
    result.roofline = roofline.map {
      RooflineShare($0, result, DecoderShape(store.manifest, decoder))
    }
    try writer.append(result.record(ModelLabel(store), OpenModelLabel(decoder), configuration))
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
      count: repetitionCount + 1, length: tests.map(\.promptCount).max() ?? 0, model: model,
      isCancelled: { flag.isCancelled }, progress: { progress.update($0, of: $1) })
  }

  /// One repetition that is not counted. Where no window is to be filled one token is enough after
  /// the prompt, as in llama-bench.
  private func warmUp(
    _ test: BenchTest, _ configuration: BenchConfiguration, _ model: OpenModel, _ text: PromptText
  ) throws {
    var test = test
    if !configuration.hasWindow { test.generationCount = min(1, test.generationCount) }
    _ = try sample(test, prompt: 0, model, text)
  }

  /// Nil where it was interrupted.
  ///
  /// - Parameter recorder: is told what happens meanwhile.
  private func sample(
    _ test: BenchTest, prompt index: Int, _ model: OpenModel, _ text: PromptText,
    recorder: TraceRecorder? = nil
  ) throws -> BenchSample? {
    guard !flag.isCancelled else { return nil }
    if let recorder { model.decoder.recorder = recorder }
    defer { if recorder != nil { model.decoder.recorder = nil } }
    let prompt =
      test.promptCount > 0 ? text.prompt(index, length: test.promptCount) : [text.start(index)]
    let result = try model.generate(
      .tokens(prompt), options: .greedy(tokenCount: test.generationCount + 1),
      isCancelled: { flag.isCancelled })
    if recorder != nil { trace?.end(result, model) }
    return BenchSample(result, of: test)
  }
}

extension GenerationOptions {
  /// The likeliest token each time, so many of them, whatever ends a text.
  static func greedy(tokenCount: Int) -> GenerationOptions {
    var options = GenerationOptions()
    options.sampling = .greedy
    options.ignoreEndTokens = true
    options.maximumTokens = tokenCount
    return options
  }
}
