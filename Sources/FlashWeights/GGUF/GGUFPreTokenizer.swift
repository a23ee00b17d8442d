/// How byte-level tokenizers split text before merging, by the names of `tokenizer.ggml.pre`
/// (llama.cpp, src/llama-vocab.cpp).
package struct GGUFPreTokenizer: Sendable {
  /// Regular expressions, each applied to the pieces of the one before it.
  let expressions: [String]
  /// Whether a piece that is a token is never merged from smaller ones.
  var ignoresMerges = false
  /// Whether a text begins with the begin token where the file does not say.
  var addsBegin = false
  /// Whether text is composed first (Unicode NFC).
  var isNFC = false

  /// The names that are known, sorted.
  package static var names: [String] { named.keys.sorted() }

  static let named: [String: GGUFPreTokenizer] = {
    var named: [String: GGUFPreTokenizer] = [:]
    func add(_ names: String, _ preTokenizer: GGUFPreTokenizer) {
      for name in names.split(separator: " ") { named[String(name)] = preTokenizer }
    }
    add("default", .init(expressions: [punctuation, gpt2, #"\p{N}+"#, threeDigits]))
    add(
      "gpt-2 phi-2 mpt olmo jais jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum "
        + "modern-bert exaone4 trillion granite-docling",
      .init(expressions: [gpt2]))
    add(
      "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2",
      .init(expressions: [#"\p{N}"#, gpt2]))
    add("falcon", .init(expressions: [falconPunctuation, gpt2, threeDigits]))
    add(
      "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
      .init(expressions: [llama3], ignoresMerges: true, addsBegin: true))
    add("dbrx smaug-bpe chatglm-bpe glm4", .init(expressions: [llama3]))
    add("minicpm5", .init(expressions: [#"\p{N}{1,3}"#, words("\\p{N}+")], ignoresMerges: true))
    add("jais-2", .init(expressions: [jais2]))
    add("qwen2 deepseek-r1-qwen megrez kormo f2llmv2", .init(expressions: [qwen2], isNFC: true))
    add("qwen35", .init(expressions: [qwen35], isNFC: true))
    add("stablelm2 hunyuan solar-open grok-2", .init(expressions: [qwen2]))
    add("seed-coder", .init(expressions: [seedCoder]))
    add("bailingmoe bailingmoe2 llada-moe", .init(expressions: [bailing]))
    add("exaone-moe", .init(expressions: [exaone]))
    add("ufakzeka", .init(expressions: [qwen2Words]))
    add("tekken", .init(expressions: [tekken], ignoresMerges: true, addsBegin: true))
    add("gpt-4o llama4 kanana2 talkie minimax-m2", .init(expressions: [o200k]))
    add("tiny_aya cohere2moe", .init(expressions: [#"\d{1,3}(?=(?:\d{3})*\b)"#, o200k]))
    add("bloom poro-chat gpt3-finnish", .init(expressions: [bloom]))
    add("viking", .init(expressions: [bloom, #"\p{N}"#]))
    add("chameleon", .init(expressions: chameleon, addsBegin: true))
    add(
      "deepseek-llm",
      .init(
        expressions: [#"[\r\n]"#, casedWords, widePunctuation, #"\s+$"#, eastAsian, #"\p{N}+"#]))
    add(
      "deepseek-coder",
      .init(expressions: [#"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, eastAsian, #"\p{N}"#]))
    add(
      "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
      .init(expressions: [#"\p{N}{1,3}"#, chineseAndJapanese, deepseek3]))
    return named
  }()

  private static let contractions = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#
  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let punctuation = #"[\p{P}\$\+<=>\^~\|]+"#
  private static let falconPunctuation = #"[\p{P}\$\+<=>\^~\|`]+"#
  private static let threeDigits = "[0-9][0-9][0-9]"
  private static let tail = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
  /// `numbers` is the alternative that matches digits.
  private static func words(_ numbers: String) -> String {
    contractions + "|" + #"[^\r\n\p{L}\p{N}]?\p{L}+|"# + numbers
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + tail
  }
  private static let llama3 = words(#"\p{N}{1,3}"#)
  private static let qwen2 = words(#"\p{N}"#)
  private static let qwen2Words =
    #"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + tail
  private static let qwen35 =
    contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|"#
    + #" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"# + tail
  /// Blanks in runs of powers of two.
  private static let jais2 =
    contractions
    + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"#
    + ["512", "256", "128", "64", "32", "16", "8", "4", "1,2"]
    .map { #"\s{"# + $0 + #"}(?!\S)|"# }.joined() + #"\s{1}"#
  private static let seedCoder =
    contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|"# + tail
  private static let bailing =
    #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"#
    + #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
  private static let exaone =
    contractions + #"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|"#
    + #" ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"#
  /// Words that end in small letters, or are all capitals.
  private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
  private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
  private static let before = #"[^\r\n\p{L}\p{N}]?"#
  private static let tekken =
    "\(before)\(upper)*\(lower)+|\(before)\(upper)+\(lower)*"
    + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + tail
  private static let o200k =
    "\(before)\(upper)*\(lower)+\(contractions)?|\(before)\(upper)+\(lower)*\(contractions)?"
    + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + tail

  private static let bloom =
    " ?[^(\\s|.,!?\u{2026}\u{3002}\u{FF0C}\u{3001}\u{964}\u{6D4}\u{60C})]+"
  /// Sentinels and image tokens, blanks, digits and punctuation one by one, then words.
  private static let chameleon = [
    "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", #"([\t\n]|    |  )"#, #"\p{N}"#,
    #"[\p{P}!-/:-@\[-`{-~]"#, gpt2,
  ]

  private static let chineseAndJapanese =
    "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+"
  private static let eastAsian =
    "[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+"
  private static let widePunctuation =
    "\\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+"
  private static let deepseek3 =
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|"##
    + #"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"#
    + #" ?[\p{P}\p{S}]+[\r\n]*|"# + tail
  /// Letters that have two cases, as an older Unicode lists them.
  private static let casedWords =
    "\\s?[A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}"
    + "\u{295}-\u{2AF}\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}"
    + "\u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}"
    + "\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}"
    + "\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}"
    + "\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}"
    + "\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}"
    + "\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}"
    + "\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}"
    + "\u{2126}\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}"
    + "\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}"
    + "\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}-\u{A76F}"
    + "\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}"
    + "\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\u{104B0}-\u{104D3}"
    + "\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}"
    + "\u{1E900}-\u{1E943}]+"

  /// The member `pre_tokenizer` of a `tokenizer.json`.
  func write(to json: inout JSONBytes) {
    json.raw("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[")
    for expression in expressions {
      json.raw("{\"type\":\"Split\",\"pattern\":{\"Regex\":")
      json.string(Array(expression.utf8))
      json.raw("},\"behavior\":\"Isolated\",\"invert\":false},")
    }
    json.raw("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,")
    json.raw("\"use_regex\":false}]}")
  }
}
