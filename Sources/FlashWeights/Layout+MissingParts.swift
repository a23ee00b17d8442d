/// Architectures that no layout can describe, because the decoder lacks a part.
extension Layout {
  /// What the decoder lacks for an architecture, as checkpoints or GGUF files name it; nil for one
  /// that nobody knows here.
  static func missingPart(of architecture: String) -> String? {
    let name = architecture.lowercased().filter { $0 != "-" && $0 != "_" && $0 != "." }
    return missingParts.first { $0.starts.contains { name.hasPrefix($0) } }?.part
  }

  private static let missingParts: [(starts: [String], part: String)] = [
    (
      [
        "mamba", "falconmamba", "falconh1", "jamba", "zamba", "nemotronh", "granitemoehybrid",
        "granitehybrid", "bamba", "plamo2", "codestralmamba",
      ], "state-space layers (Mamba)"
    ),
    (["rwkv", "arwkv"], "recurrent layers (RWKV)"),
    (["recurrentgemma", "griffin"], "recurrent layers (RG-LRU)"),
    (["qwen3next", "kimilinear"], "layers of linear attention"),
    (["lfm2"], "layers of short convolutions"),
    (
      [
        "deepseek2", "deepseekv2", "deepseekv3", "deepseekv32", "minicpm3", "kimik2", "plm",
        "longcat", "youtu",
      ], "latent attention (MLA)"
    ),
    (
      ["bloom", "mpt", "refact", "jais", "baichuan13b"], "positions as biases of attention (ALiBi)"
    ),
    (["gpt2", "gptbigcode", "starcoder1"], "matrices that checkpoints hold turned (Conv1D)"),
    (["t5", "mt5", "umt5", "bart", "mbart", "pegasus", "whisper", "marian"], "an encoder"),
    (
      [
        "bert", "roberta", "xlmroberta", "distilbert", "nomicbert", "modernbert", "jinabert",
        "electra", "deberta", "eurobert",
      ], "attention to later positions: it is an encoder"
    ),
    (["dream", "llada", "diffucoder"], "generation by diffusion"),
    (["gemma3n", "gemma4"], "embeddings of each layer and shared keys and values"),
    (["clip", "siglip", "vit"], "a text model: it sees pictures"),
  ]
}
