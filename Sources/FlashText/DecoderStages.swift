/// Text on its way through a decoder: a token, or part of one.
struct DecoderChunk: Sendable {
  /// Well-formed UTF-8.
  var utf8: [UInt8]
  var beginsToken: Bool
  var endsToken: Bool
}

/// One step of a decoder, which keeps what a later token may still change.
protocol DecoderStage: Sendable {
  mutating func process(_ chunk: DecoderChunk) -> [DecoderChunk]

  /// What was kept, when nothing follows.
  mutating func finish() -> [DecoderChunk]
}

extension DecoderStage {
  mutating func finish() -> [DecoderChunk] { [] }
}

/// Puts a space between tokens.
struct JoinStage: DecoderStage {
  private var isFirst = true

  mutating func process(_ chunk: DecoderChunk) -> [DecoderChunk] {
    var chunk = chunk
    if chunk.beginsToken, !isFirst { chunk.utf8.insert(UInt8(ascii: " "), at: 0) }
    isFirst = false
    return [chunk]
  }
}

/// Makes one token of all.
struct FuseStage: DecoderStage {
  private var isFirst = true

  mutating func process(_ chunk: DecoderChunk) -> [DecoderChunk] {
    defer { isFirst = false }
    return [DecoderChunk(utf8: chunk.utf8, beginsToken: isFirst, endsToken: false)]
  }

  mutating func finish() -> [DecoderChunk] {
    [DecoderChunk(utf8: [], beginsToken: isFirst, endsToken: true)]
  }
}

/// Replaces what a pattern matches.
struct ReplaceStage: DecoderStage {
  private let pattern: TextPattern
  private let content: [UInt8]
  /// Whether it can work on parts of a token.
  let replacesSingleCharacters: Bool

  init(_ node: JSONNode) throws(TokenizerError) {
    let pattern = try node.member("pattern")
    self.pattern = try TextPattern(pattern)
    content = try node.member("content").utf8()
    replacesSingleCharacters = try pattern.optional("String")?.string().unicodeScalars.count == 1
  }

  func process(_ chunk: DecoderChunk) -> [DecoderChunk] {
    var chunk = chunk
    chunk.utf8 = pattern.replaceMatches(in: chunk.utf8[...], with: content)
    return [chunk]
  }
}

/// Makes spaces of Metaspace's replacement, and nothing of it in the first token.
struct MetaspaceStage: DecoderStage {
  private let replacement: [UInt8]
  private let dropsFirst: Bool
  private var isInFirst = true

  init(metaspace: Metaspace) {
    replacement = Array(String(metaspace.replacement).utf8)
    dropsFirst = metaspace.prependScheme != .never
  }

  mutating func process(_ chunk: DecoderChunk) -> [DecoderChunk] {
    var chunk = chunk
    let space = dropsFirst && isInFirst ? [] : [UInt8(ascii: " ")]
    chunk.utf8 = chunk.utf8.split(separator: replacement, omittingEmptySubsequences: false)
      .joined(separator: space).map { $0 }
    if chunk.endsToken { isInFirst = false }
    return [chunk]
  }
}

/// Removes up to so many of a character at the start and end of each token.
struct StripStage: DecoderStage {
  private let content: [UInt8]
  private let startCount: Int
  private let stopCount: Int
  /// How many may still be removed at the start.
  private var startRemaining = 0
  /// How many that could be the token's last are held back.
  private var heldCount = 0

  init(_ node: JSONNode) throws(TokenizerError) {
    let content = try node.member("content")
    self.content = try content.utf8()
    guard try content.string().unicodeScalars.count == 1 else {
      throw content.unexpected("one character")
    }
    startCount = try node.member("start").integer()
    stopCount = try node.member("stop").integer()
    guard startCount >= 0, stopCount >= 0 else { throw node.unexpected("counts of at least 0") }
  }

  mutating func process(_ chunk: DecoderChunk) -> [DecoderChunk] {
    if chunk.beginsToken { startRemaining = startCount }
    var utf8 = chunk.utf8[...]
    while startRemaining > 0, !utf8.isEmpty {
      if utf8.starts(with: content) {
        utf8 = utf8.dropFirst(content.count)
        startRemaining -= 1
      } else {
        startRemaining = 0
      }
    }
    if !utf8.isEmpty {
      utf8 = Array(repeatElement(content, count: heldCount).joined()) + utf8
      heldCount = 0
      while heldCount < stopCount, utf8.suffix(content.count).elementsEqual(content) {
        utf8 = utf8.dropLast(content.count)
        heldCount += 1
      }
    }
    if chunk.endsToken { heldCount = 0 }
    return [
      DecoderChunk(
        utf8: Array(utf8), beginsToken: chunk.beginsToken, endsToken: chunk.endsToken)
    ]
  }
}

/// Makes bytes of `<0x41>` and characters of bytes.
struct ByteFallbackStage: DecoderStage {
  /// Whether a run of bytes waits for its end, as the reference does.
  var holdsRuns = false
  private var run: [UInt8] = []
  private var assembler = CharacterAssembler(replacesEachByte: true)
  private var isInRun = false

  mutating func process(_ chunk: DecoderChunk) -> [DecoderChunk] {
    guard let byte = Self.byte(of: chunk.utf8) else { return finish() + [chunk] }
    defer { isInRun = true }
    if holdsRuns {
      run.append(byte)
      return []
    }
    let characters = assembler.append([byte])
    return [DecoderChunk(utf8: characters, beginsToken: !isInRun, endsToken: false)]
  }

  mutating func finish() -> [DecoderChunk] {
    guard isInRun else { return [] }
    defer {
      isInRun = false
      run = []
    }
    if !holdsRuns {
      return [DecoderChunk(utf8: assembler.finish(), beginsToken: false, endsToken: true)]
    }
    let isWellFormed = String(validating: run, as: UTF8.self) != nil
    let text = isWellFormed ? run : run.flatMap { _ in UTF8Scalar.replacement }
    return [DecoderChunk(utf8: text, beginsToken: true, endsToken: true)]
  }

  private static func byte(of token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">"),
      token[3] != UInt8(ascii: "-")
    else { return nil }
    return UInt8(String(decoding: token[3...4], as: UTF8.self), radix: 16)
  }
}

/// Makes bytes of `ByteLevelAlphabet`'s characters, characters of bytes, and one token of all.
struct ByteLevelStage: DecoderStage {
  private var assembler = CharacterAssembler(replacesEachByte: false)
  private var isFirst = true

  mutating func process(_ chunk: DecoderChunk) -> [DecoderChunk] {
    defer { isFirst = false }
    let characters = assembler.append(ByteLevelAlphabet.bytes(of: chunk.utf8))
    return [DecoderChunk(utf8: characters, beginsToken: isFirst, endsToken: false)]
  }

  mutating func finish() -> [DecoderChunk] {
    [DecoderChunk(utf8: assembler.finish(), beginsToken: isFirst, endsToken: true)]
  }
}
