internal import ArgumentParser
internal import FlashCalibration
internal import FlashText
internal import FlashWeights
internal import Flashrun

/// Which text calibrates: files, token ids, or what the model writes itself.
struct CalibrationTextFlags: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Text; may be given several times.", valueName: "file"))
  var file: [String] = []

  @Option(help: ArgumentHelp("Token ids, raw int32, little endian.", valueName: "file"))
  var tokensFile: String?

  @Option(help: ArgumentHelp("Tokens that the model writes itself.", valueName: "n"))
  var selfText: Int?

  @Option(
    help: ArgumentHelp(
      "Text that prices instead of the last part; may be given several times.",
      valueName: "file"))
  var priceFile: [String] = []

  @Option(
    help: ArgumentHelp(
      "Part of the text, its last, that prices and does not train. (default: 0.2)",
      valueName: "part"))
  var priceFraction: Double?

  init() {}

  private static let defaultChunkLength = 512

  /// The text in chunks; where `pricesAll`, none of them trains.
  ///
  /// - Throws: `Failure` for flags that do not go together; `CalibrationError` for too little text.
  func load(
    _ store: WeightStore, flags: EngineFlags, settings: Settings, seed: UInt64, pricesAll: Bool,
    console: Console, flag: CancellationFlag
  ) async throws -> CalibrationText {
    try check(pricesAll: pricesAll)
    func split(
      _ tokens: [Int32], begin: Int32?, length: Int, name: String
    ) throws(CalibrationError) -> CalibrationText {
      guard !pricesAll else {
        return try CalibrationText(pricing: tokens, begin: begin, chunkLength: length, name: name)
      }
      return try CalibrationText(
        tokens: tokens, begin: begin, chunkLength: length, pricingFraction: priceFraction ?? 0.2,
        name: name)
    }
    let given = try flags.engineOptions(settings).contextLength
    let most = min(Self.defaultChunkLength, store.configuration.maximumPositions)
    if let selfText {
      // Eight pieces at least, so that some train and some price.
      let length = given ?? min(most, max(16, selfText / 8))
      let tokens = try await SelfText(
        store: store, chunkLength: length, tokenCount: selfText, seed: seed, flag: flag,
        console: console
      ).write(flags: flags, settings: settings)
      return try split(
        tokens, begin: store.configuration.beginTokenID, length: length, name: "self-generated")
    }
    let length = given ?? most
    if let tokensFile {
      let tokens = try TokenFile.read(tokensFile)
      try TokenFile.check(tokens, tokensFile, vocabularySize: store.configuration.vocabularySize)
      return try split(
        tokens, begin: store.configuration.beginTokenID, length: length,
        name: Self.lastName(tokensFile))
    }
    guard let tokenizer = try Tokenizer(of: store) else {
      throw EngineError.noTokenizer(store: store.path)
    }
    let begin = tokenizer.encode("", addSpecialTokens: true, parseSpecialTokens: false).first
    let tokens = try tokens(file, tokenizer)
    guard !priceFile.isEmpty else {
      return try split(tokens, begin: begin, length: length, name: name)
    }
    return try CalibrationText(
      training: tokens, pricing: try self.tokens(priceFile, tokenizer), begin: begin,
      chunkLength: length,
      name: name + "; " + priceFile.map(Self.lastName).joined(separator: ", "))
  }

  private func check(pricesAll: Bool) throws(Failure) {
    let sources = [!file.isEmpty, tokensFile != nil, selfText != nil].count { $0 }
    guard sources == 1 else {
      throw Failure(.usage, "give the text with -f, with --tokens-file or with --self-text")
    }
    if pricesAll, !priceFile.isEmpty || priceFraction != nil {
      throw Failure(
        .usage,
        "--price-only prices all of the text: --price-file and --price-fraction have no "
          + "place")
    }
    if !priceFile.isEmpty, file.isEmpty {
      throw Failure(.usage, "--price-file goes with -f")
    }
    if !priceFile.isEmpty, priceFraction != nil {
      throw Failure(.usage, "give --price-file or --price-fraction, not both")
    }
    if let priceFraction, !(priceFraction > 0 && priceFraction < 1) {
      throw Failure(.usage, "--price-fraction \(priceFraction): it must be between 0 and 1")
    }
    if let selfText, selfText < 1 {
      throw Failure(.usage, "--self-text \(selfText): it must be at least 1")
    }
  }

  /// The tokens of texts, one after another.
  private func tokens(_ paths: [String], _ tokenizer: Tokenizer) throws(Failure) -> [Int32] {
    var tokens: [Int32] = []
    for path in paths {
      let text = try FileInput.text(path)
      guard !text.isEmpty else { throw Failure(.usage, "\(path) is empty") }
      tokens += tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
    }
    return tokens
  }

  private var name: String { file.map(Self.lastName).joined(separator: ", ") }

  private static func lastName(_ path: String) -> String {
    path == "-" ? "standard input" : String(path.split(separator: "/").last ?? "")
  }
}

/// Token ids as raw little-endian int32.
enum TokenFile {
  /// - Throws: `Failure` for no file, and for bytes that are no whole number of ids.
  static func read(_ path: String) throws(Failure) -> [Int32] {
    let bytes = try FileInput.bytes(path)
    guard bytes.count.isMultiple(of: 4) else {
      throw Failure(.badData, "\(path): \(bytes.count) bytes are no whole number of int32")
    }
    return stride(from: 0, to: bytes.count, by: 4).map { index in
      bytes[index..<index + 4].reversed().reduce(0 as Int32) { $0 << 8 | Int32($1) }
    }
  }

  /// - Throws: `Failure` for an id that the vocabulary has not.
  static func check(_ ids: [Int32], _ path: String, vocabularySize: Int) throws(Failure) {
    if let place = ids.firstIndex(where: { !(0..<Int32(vocabularySize)).contains($0) }) {
      throw Failure(
        .badData,
        "\(path): token \(ids[place]) at index \(place) is not in the vocabulary of "
          + "\(vocabularySize)")
    }
  }
}
