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
}
