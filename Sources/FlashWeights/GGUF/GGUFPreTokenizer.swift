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
      "gpt-2 phi-2 mpt olmo jais jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum",
      .init(expressions: [gpt2]))
    add(
      "starcoder refact command-r smollm codeshell exaone minerva-7b",
      .init(expressions: [#"\p{N}"#, gpt2]))
    add("falcon", .init(expressions: [falconPunctuation, gpt2, threeDigits]))
    add(
      "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral lfm2",
      .init(expressions: [llama3], ignoresMerges: true, addsBegin: true))
    add("dbrx smaug-bpe chatglm-bpe", .init(expressions: [llama3]))
    add("qwen2 deepseek-r1-qwen megrez", .init(expressions: [qwen2], isNFC: true))
    add("stablelm2", .init(expressions: [qwen2]))
    add("tekken", .init(expressions: [tekken], ignoresMerges: true, addsBegin: true))
    add("gpt-4o llama4", .init(expressions: [o200k]))
    return named
  }()

  private static let contractions = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#
  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let punctuation = #"[\p{P}\$\+<=>\^~\|]+"#
  private static let falconPunctuation = #"[\p{P}\$\+<=>\^~\|`]+"#
  private static let threeDigits = "[0-9][0-9][0-9]"
  private static let tail = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let llama3 =
    contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + tail
  private static let qwen2 =
    contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + tail
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
