internal import FlashIO
package import FlashModel
package import FlashText
package import FlashWeights
internal import FlashWindow
internal import Foundation

/// A store with its tokenizer and its decoder, opened together on the thread that will use them.
package struct OpenModel {
  package let store: WeightStore
  /// Nil where the checkpoint came without one.
  package let tokenizer: Tokenizer?
  package let decoder: Decoder
  /// How `auto` was resolved; nil for a limit that was given.
  package let automaticLimit: AutomaticLimit?
  package let loadDuration: Duration

  /// Everything is given back when the last copy goes. Only one thread may use it, and that thread
  /// must live as long: reads belong to it (`EngineThread`).
  ///
  /// - Parameter progress: called with the bytes of resident weights read so far, and of all.
  /// - Throws: `EngineError`, and what `WeightStore.open`, `Tokenizer.init` and
  ///   `Decoder.init` throw.
  package init(
    path: String, options: EngineOptions, progress: @Sendable (Int, Int) -> Void = { _, _ in }
  ) throws {
    let start = ContinuousClock.now
    store = try WeightStore.open(path)
    tokenizer = try Tokenizer(of: store)
    let resolved = try options.resolved(for: store)
    automaticLimit = resolved.automaticLimit
    decoder = try Decoder(store: store, options: resolved.decoder, progress: progress)
    loadDuration = ContinuousClock.now - start
  }

  /// Tokens that end a text, by the model's configuration and by the tokenizer's.
  var endTokens: Set<Int32> {
    Set(store.configuration.endTokenIDs + [tokenizer?.endTokenID].compactMap(\.self))
  }

  /// - Throws: `EngineError` for text without a tokenizer and for a prompt without tokens.
  package func tokens(of prompt: Prompt) throws -> [Int32] {
    let tokens: [Int32]
    switch prompt {
    case .text(let text): tokens = try encode(text, parseSpecialTokens: true)
    case .userText(let text): tokens = try encode(text, parseSpecialTokens: false)
    case .tokens(let given): tokens = given
    }
    guard tokens.isEmpty else { return tokens }
    guard let begin = store.configuration.beginTokenID else { throw EngineError.emptyPrompt }
    return [begin]
  }

  /// Continues a prompt on the caller's thread.
  ///
  /// - Parameter onEvent: called with everything that happens but the end.
  /// - Throws: as `Engine.generate`.
  package func generate(
    _ prompt: Prompt, options: GenerationOptions, isCancelled: @escaping () -> Bool = { false },
    onEvent: @escaping (GenerationEvent) -> Void = { _ in }
  ) throws -> GenerationResult {
    var loop = GenerationLoop(
      model: self, options: options, isCancelled: isCancelled, yield: onEvent)
    return try loop.run(prompt)
  }

  private func encode(_ text: String, parseSpecialTokens: Bool) throws -> [Int32] {
    guard let tokenizer else { throw EngineError.noTokenizer(store: store.path) }
    return tokenizer.encode(
      text, addSpecialTokens: true, parseSpecialTokens: parseSpecialTokens)
  }
}

extension EngineOptions {
  /// The decoder's options for a store: the limit in bytes, and what the tokenizer takes.
  package func resolved(
    for store: WeightStore
  ) throws -> (decoder: DecoderOptions, automaticLimit: AutomaticLimit?) {
    var decoder = self.decoder
    decoder.textByteCount = Tokenizer.estimatedByteCount(of: store)
    switch memoryLimit {
    case .bytes(let byteCount):
      decoder.storage.memoryLimit = byteCount
    case .fractionOfModel(let fraction):
      decoder.storage.memoryLimit = Int(fraction * Double(store.modelByteCount))
    case .automatic:
      guard let limits = MemoryLimits() else { throw EngineError.noMemoryFigures }
      let automatic = AutomaticLimit(limits)
      decoder.storage.memoryLimit = automatic.byteCount
      return (decoder, automatic)
    }
    return (decoder, nil)
  }
}

extension Tokenizer {
  private static let fileName = "tokenizer.json"

  /// The tokenizer that a store carries; nil where it carries none.
  package init?(of store: WeightStore) throws {
    guard let path = store.companionPath(Self.fileName) else { return nil }
    try self.init(path: path, configurationPath: store.companionPath("tokenizer_config.json"))
  }

  /// The tokenizer of a file, with what `tokenizer_config.json` adds.
  ///
  /// - Throws: `EngineError.badTokenizer` for a file that cannot be used, and what reading throws.
  package init(path: String, configurationPath: String?) throws {
    let tokenizer = try Data(contentsOf: URL(fileURLWithPath: path))
    let configuration = try configurationPath.map {
      try Data(contentsOf: URL(fileURLWithPath: $0))
    }
    do {
      try self.init(tokenizerJSON: tokenizer, configurationJSON: configuration)
    } catch {
      throw EngineError.badTokenizer(file: path, reason: "\(error)")
    }
  }

  /// Bytes that the tokenizer takes in memory, reading included: 4 to 10 times its file, measured.
  fileprivate static func estimatedByteCount(of store: WeightStore) -> Int {
    let file = store.manifest.companions.first { $0.name == fileName }
    return (file?.byteCount ?? 0) * 10
  }
}
