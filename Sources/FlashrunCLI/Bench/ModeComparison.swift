internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// `bench --compare-modes`: the same prompts dense, exact and predicted, or dense and by threshold,
/// the sparse ones under each policy of the window.
///
/// Rows that lose nothing must choose the same tokens, and so must those of a lossy mode, whatever
/// the policy.
struct ModeComparison: Sendable {
  var passes: DecodePasses
  /// A limit and thread count each.
  var optionSets: [EngineOptions]
  var force: Bool
  var seed: UInt64
  var writer: BenchWriter

  private var store: WeightStore { passes.store }
  private var certificate: Certificate? { store.calibration?.certificate }

  private static let policies: [ReplacementPolicy] = [.window(tokens: nil), .lru, .lfu, .lfru]

  /// - Throws: `Failure` where dense does not fit a limit or a row chooses other tokens, and what
  ///   opening and reading throws.
  func run() throws {
    // What does not fit is said before anything is measured.
    let sets = try optionSets.map { try configurations($0) }
    let isSparse = sets.contains { $0.contains { $0.configuration.mode != .dense } }
    var text = PromptText(store.configuration, isWritten: isSparse, seed: seed)
    for set in sets where !passes.flag.isCancelled {
      // The quickest configuration writes the prompts.
      if isSparse, let last = set.last { try passes.prepare(&text, last.configuration) }
      try measure(set, &text)
    }
    try writer.finish(notes: notes + ["build: \(Version.generator)"])
  }

  private var notes: [String] {
    guard let certificate else { return [] }
    return [
      "perplexity: from the certificate, on \(Units.grouped(certificate.pricingTokens)) tokens of "
        + certificate.textName
    ]
  }

  /// A configuration and its policy; nil where nothing is dropped.
  struct Entry: Sendable {
    var configuration: BenchConfiguration
    var policy: ReplacementPolicy?
  }

  private func configurations(_ options: EngineOptions) throws -> [Entry] {
    var entries: [Entry] = []
    for mode in modes {
      var options = options
      options.decoder.sparsity = mode
      do {
        let first = try configuration(options)
        guard first.hasWindow else {
          entries.append(Entry(configuration: first))
          continue
        }
        for policy in Self.policies {
          options.decoder.storage.policy = policy
          entries.append(Entry(configuration: try configuration(options), policy: policy))
        }
      } catch let failure as Failure
        where failure.status == .doesNotFit && [.exact, .threshold].contains(mode)
      {
        passes.console.notice("\(mode.rawValue) is left out: \(failure.message)")
      }
    }
    return entries
  }

  private func configuration(_ options: EngineOptions) throws -> BenchConfiguration {
    try BenchConfiguration(
      store, options, contextLength: passes.test.contextLength, force: force,
      console: passes.console)
  }

  /// The modes that the model can run in.
  private var modes: [SparsityChoice] {
    guard store.configuration.hasSilentNeurons else {
      if certificate != nil { return [.dense, .threshold] }
      passes.console.notice(
        "no neuron of this model is ever silent (\(store.configuration.activation.rawValue)): "
          + "dense is its only mode without thresholds (`flashrun calibrate STORE -f TEXT`)")
      return [.dense]
    }
    guard certificate != nil else {
      passes.console.notice(
        "predicted is left out: this store has no certificate "
          + "(`flashrun calibrate STORE\(store.calibration == nil ? "" : " --price-only") -f TEXT` "
          + "makes one)")
      return [.dense, .exact]
    }
    return [.dense, .exact, .predicted]
  }

  private func measure(_ entries: [Entry], _ text: inout PromptText) throws {
    var expected: [Bool: [[Int32]]] = [:]
    var dense: Double?
    for entry in entries where !passes.flag.isCancelled {
      guard let outcome = try passes.measure(entry.configuration, &text) else { break }
      let isLossy = entry.configuration.mode.isLossy
      guard expected[isLossy] == nil || expected[isLossy] == outcome.tokens else {
        throw Failure(
          .failure,
          "\(entry.configuration.mode.rawValue) chose other tokens than the row above it: a fault "
            + "of this program")
      }
      expected[isLossy] = outcome.tokens
      let row = ModeRow(
        entry: entry, outcome: outcome, test: passes.test, dense: dense, certificate: certificate)
      dense = dense ?? row.rate
      try writer.append(row.record(ModelLabel(store)))
    }
  }
}
