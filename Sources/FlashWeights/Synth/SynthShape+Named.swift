/// The shapes that have a name: what the models' public `config.json` say, without the keys that
/// change nothing in the arithmetic.
extension SynthShape {
  package static let names = texts.keys.sorted()

  static let texts = [
    "decilm-6b": """
    {
      "architectures": ["DeciLMForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "intermediate_size": 11008, "vocab_size": 32000,
      "max_position_embeddings": 4096, "hidden_act": "silu", "rms_norm_eps": 1e-5,
      "rope_scaling": { "type": "dynamic", "factor": 2.0 }, "tie_word_embeddings": false,
      "bos_token_id": 1, "eos_token_id": 2,
      "num_key_value_heads_per_layer": [
        4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        4, 4
      ]
    }
    """,
    "decilm-7b": """
    {
      "architectures": ["DeciLMForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "intermediate_size": 14336, "vocab_size": 32000,
      "max_position_embeddings": 8192, "hidden_act": "silu", "rms_norm_eps": 1e-5,
      "rope_scaling": { "type": "dynamic", "factor": 2.0 }, "tie_word_embeddings": false,
      "bos_token_id": 1, "eos_token_id": 2,
      "num_key_value_heads_per_layer": [
        4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 4
      ]
    }
    """,
    "decicoder-6b": """
    {
      "architectures": ["DeciLMForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "intermediate_size": 11008, "vocab_size": 51200,
      "max_position_embeddings": 2048, "hidden_act": "silu", "rms_norm_eps": 1e-5,
      "rope_theta": 10000.0, "rope_scaling": { "type": "dynamic", "factor": 2.0 },
      "tie_word_embeddings": false, "bos_token_id": 50256, "eos_token_id": 50256,
      "num_key_value_heads_per_layer": [
        4, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 4
      ]
    }
    """,
    "llama-2-7b": """
    {
      "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008,
      "vocab_size": 32000, "max_position_embeddings": 4096, "hidden_act": "silu",
      "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2
    }
    """,
    "llama-3-8b": """
    {
      "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
      "vocab_size": 128256, "max_position_embeddings": 8192, "hidden_act": "silu",
      "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false,
      "bos_token_id": 128000, "eos_token_id": 128001
    }
    """,
    "qwen3-8b": """
    {
      "architectures": ["Qwen3ForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 36,
      "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
      "intermediate_size": 12288, "vocab_size": 151936, "max_position_embeddings": 40960,
      "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1000000,
      "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645
    }
    """,
    "nemotron-49b": """
    {
      "architectures": ["DeciLMForCausalLM"], "hidden_size": 8192, "num_hidden_layers": 80,
      "num_attention_heads": 64, "vocab_size": 128256, "max_position_embeddings": 131072,
      "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
      "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192
      },
      "tie_word_embeddings": false, "bos_token_id": 128000, "eos_token_id": 128001,
      "block_configs": [\(nemotronBlocks)]
    }
    """,
    "qwen3-30b-a3b": """
    {
      "architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 2048, "num_hidden_layers": 48,
      "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
      "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128,
      "num_experts_per_tok": 8, "norm_topk_prob": true, "decoder_sparse_step": 1,
      "mlp_only_layers": [], "vocab_size": 151936, "max_position_embeddings": 40960,
      "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1000000,
      "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645
    }
    """,
    "mixtral-8x7b": """
    {
      "architectures": ["MixtralForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
      "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000,
      "max_position_embeddings": 32768, "hidden_act": "silu", "rms_norm_eps": 1e-5,
      "rope_theta": 1000000, "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2
    }
    """,
    "gpt-oss-20b": """
    {
      "architectures": ["GptOssForCausalLM"], "hidden_size": 2880, "num_hidden_layers": 24,
      "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
      "intermediate_size": 2880, "num_local_experts": 32, "num_experts_per_tok": 4,
      "attention_bias": true, "sliding_window": 128, "swiglu_limit": 7.0, "vocab_size": 201088,
      "max_position_embeddings": 131072, "hidden_act": "silu", "rms_norm_eps": 1e-5,
      "rope_theta": 150000,
      "rope_scaling": {
        "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "original_max_position_embeddings": 4096, "truncate": false
      },
      "tie_word_embeddings": false, "eos_token_id": 200002
    }
    """,
    "olmoe-1b-7b": """
    {
      "architectures": ["OlmoeForCausalLM"], "hidden_size": 2048, "num_hidden_layers": 16,
      "num_attention_heads": 16, "num_key_value_heads": 16, "intermediate_size": 1024,
      "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false, "clip_qkv": null,
      "vocab_size": 50304, "max_position_embeddings": 4096, "hidden_act": "silu",
      "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false,
      "eos_token_id": 50279
    }
    """,
    "smallthinker-4b": """
    {
      "architectures": ["SmallThinkerForCausalLM"], "hidden_size": 1536,
      "num_hidden_layers": 32, "num_attention_heads": 12, "num_key_value_heads": 2,
      "head_dim": 128, "moe_ffn_hidden_size": 768, "moe_num_primary_experts": 32,
      "moe_num_active_primary_experts": 4, "vocab_size": 151936,
      "max_position_embeddings": 32768, "hidden_act": "relu", "rms_norm_eps": 1e-6,
      "rope_theta": 1500000, "tie_word_embeddings": false, "bos_token_id": 151643,
      "eos_token_id": 151645
    }
    """,
    "opt-6.7b": """
    {
      "architectures": ["OPTForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "ffn_dim": 16384, "vocab_size": 50272,
      "max_position_embeddings": 2048, "activation_function": "relu",
      "do_layer_norm_before": true, "tie_word_embeddings": true, "bos_token_id": 2,
      "eos_token_id": 2
    }
    """,
  ]

  /// Blocks of Nemotron-Super-49B: the first is published with half the width of the second. Which
  /// of the others were cut by NVIDIA is not; here 30 in a row lack attention and have a quarter of
  /// the width, so that the parameters come to 49.8 billion of the card's 49.9.
  private static let nemotronBlocks = (0..<80).map { layer in
    let isCut = (42..<72).contains(layer)
    let multiple = layer == 0 ? 2.625 : isCut ? 1.3125 : 5.25
    return """
      {
        "attention": {
          "n_heads_in_group": \(isCut ? "null" : "8"), "no_op": \(isCut),
          "replace_with_linear": false
        },
        "ffn": { "ffn_mult": \(multiple), "no_op": false, "replace_with_linear": false }
      }
      """
  }.joined(separator: ",")
}
