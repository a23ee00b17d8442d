// Made by scripts/embed-layouts from layouts/gemma3.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/gemma3.json`.
  static let gemma3 = #"""
    {
      "name": "gemma3",
      "recognizes": [{ "architecture": "Gemma3ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "width": { "keys": ["hidden_size"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers"] },
        "maximumPositions": { "keys": ["max_position_embeddings"], "absent": 131072 },
        "queryHeads": { "keys": ["num_attention_heads"] },
        "keyValueHeads": { "keys": ["num_key_value_heads", "num_attention_heads"] },
        "feedForwardWidth": { "keys": ["intermediate_size"] },
        "headDimension": { "keys": ["head_dim"] },
        "normalization": { "kind": "rms", "epsilon": { "keys": ["rms_norm_eps"], "absent": 1e-6 } },
        "activation": {
          "source": { "keys": ["hidden_activation", "hidden_act"], "absent": "gelu_pytorch_tanh" },
          "allowed": { "gelu": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh" }
        },
        "isGated": true,
        "positions": {
          "rotary": {
            "base": {
              "keys": ["rope_parameters.full_attention.rope_theta", "rope_theta"],
              "absent": 1000000
            },
            "rotatedPart": { "keys": [], "absent": 1 },
            "scaling": ["rope_parameters.full_attention", "rope_scaling"],
            "local": {
              "base": {
                "keys": ["rope_parameters.sliding_attention.rope_theta", "rope_local_base_freq"],
                "absent": 10000
              },
              "scaling": ["rope_parameters.sliding_attention"]
            }
          }
        },
        "windows": {
          "length": { "keys": ["sliding_window"], "absent": 4096 },
          "types": { "keys": ["layer_types"] },
          "interval": {
            "keys": ["sliding_window_pattern", "_sliding_window_pattern"],
            "absent": 6
          }
        },
        "order": { "keys": [], "absent": "bothNorms" },
        "queryKeyNorm": { "keys": [], "absent": "eachHead" },
        "scales": {
          "embeddingRootType": { "keys": ["dtype", "torch_dtype"], "absent": "float32" },
          "attentionNumber": { "keys": ["query_pre_attn_scalar"], "absent": 256 }
        },
        "caps": {
          "attention": { "keys": ["attn_logit_softcapping"] },
          "logits": { "keys": ["final_logit_softcapping"] }
        },
        "hasTiedHead": { "keys": ["tie_word_embeddings"], "absent": true },
        "beginToken": { "keys": ["bos_token_id"] },
        "endTokens": { "keys": ["eos_token_id"] }
      },
      "requirements": [],
      "prefixes": [""],
      "tensors": [
        { "role": "tokenEmbedding", "isBias": false, "name": "{prefix}model.embed_tokens.weight" },
        {
          "role": "attentionNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.input_layernorm.weight",
          "offset": 1
        },
        {
          "role": "query",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.weight"
        },
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "key",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.weight"
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "value",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.weight"
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "queryNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.q_norm.weight",
          "offset": 1
        },
        {
          "role": "keyNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.k_norm.weight",
          "offset": 1
        },
        {
          "role": "attentionOutput",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.weight"
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "attentionOutputNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight",
          "offset": 1
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.pre_feedforward_layernorm.weight",
          "offset": 1
        },
        {
          "role": "feedForwardOutputNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_feedforward_layernorm.weight",
          "offset": 1
        },
        {
          "role": "gate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.gate_proj.weight"
        },
        {
          "role": "up",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.up_proj.weight"
        },
        {
          "role": "down",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.down_proj.weight"
        },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.norm.weight", "offset": 1 },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }
      ],
      "ignoredTensors": ["{prefix}model.layers.{layer}.self_attn.rotary_emb.inv_freq"],
      "ignoredKeys": ["hidden_act"],
      "gguf": {
        "architectures": ["gemma3"],
        "rotaryPairs": "halves",
        "decoder": {
          "width": { "keys": ["embedding_length"] },
          "vocabularySize": { "keys": ["vocab_size", "derived.vocabulary"] },
          "layerCount": { "keys": ["block_count"] },
          "maximumPositions": { "keys": ["context_length"] },
          "queryHeads": { "keys": ["attention.head_count"] },
          "keyValueHeads": { "keys": ["attention.head_count_kv", "attention.head_count"] },
          "feedForwardWidth": { "keys": ["feed_forward_length"] },
          "headDimension": { "keys": ["attention.key_length"] },
          "normalization": {
            "kind": "rms",
            "epsilon": { "keys": ["attention.layer_norm_rms_epsilon"] }
          },
          "activation": {
            "source": { "keys": [], "absent": "gelu_tanh" },
            "allowed": { "gelu_tanh": "gelu_tanh" }
          },
          "isGated": true,
          "positions": {
            "rotary": {
              "base": { "keys": ["rope.freq_base"], "absent": 1000000 },
              "rotatedPart": { "keys": [], "absent": 1 },
              "dimension": { "keys": ["rope.dimension_count"] },
              "scaling": ["derived.rope_scaling"],
              "local": {
                "base": { "keys": ["rope.freq_base_swa"], "absent": 10000 },
                "scaling": []
              }
            }
          },
          "windows": {
            "length": { "keys": ["attention.sliding_window"] },
            "interval": { "keys": [], "absent": 6 }
          },
          "order": { "keys": [], "absent": "bothNorms" },
          "queryKeyNorm": { "keys": [], "absent": "eachHead" },
          "scales": {
            "embeddingRootType": { "keys": [], "absent": "float32" },
            "attentionNumber": {
              "keys": ["attention.key_length"],
              "cases": [{ "when": [{ "key": "block_count", "equals": 62 }], "value": 168 }]
            }
          },
          "caps": { "logits": { "keys": ["final_logit_softcapping"] } },
          "hasTiedHead": { "keys": ["derived.tied_head"] },
          "beginToken": { "keys": ["tokenizer.ggml.bos_token_id"] },
          "endTokens": { "keys": ["derived.end_tokens"] }
        },
        "requirements": [],
        "tensors": [
          { "role": "tokenEmbedding", "isBias": false, "name": "token_embd.weight" },
          { "role": "attentionNorm", "isBias": false, "name": "blk.{layer}.attn_norm.weight" },
          { "role": "query", "isBias": false, "name": "blk.{layer}.attn_q.weight" },
          {
            "role": "query",
            "isBias": true,
            "name": "blk.{layer}.attn_q.bias",
            "when": { "key": "derived.has.attn_q.bias", "equals": true }
          },
          { "role": "key", "isBias": false, "name": "blk.{layer}.attn_k.weight" },
          {
            "role": "key",
            "isBias": true,
            "name": "blk.{layer}.attn_k.bias",
            "when": { "key": "derived.has.attn_k.bias", "equals": true }
          },
          { "role": "value", "isBias": false, "name": "blk.{layer}.attn_v.weight" },
          {
            "role": "value",
            "isBias": true,
            "name": "blk.{layer}.attn_v.bias",
            "when": { "key": "derived.has.attn_v.bias", "equals": true }
          },
          { "role": "queryNorm", "isBias": false, "name": "blk.{layer}.attn_q_norm.weight" },
          { "role": "keyNorm", "isBias": false, "name": "blk.{layer}.attn_k_norm.weight" },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
          {
            "role": "attentionOutput",
            "isBias": true,
            "name": "blk.{layer}.attn_output.bias",
            "when": { "key": "derived.has.attn_output.bias", "equals": true }
          },
          {
            "role": "attentionOutputNorm",
            "isBias": false,
            "name": "blk.{layer}.post_attention_norm.weight"
          },
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.ffn_norm.weight" },
          {
            "role": "feedForwardOutputNorm",
            "isBias": false,
            "name": "blk.{layer}.post_ffw_norm.weight"
          },
          { "role": "gate", "isBias": false, "name": "blk.{layer}.ffn_gate.weight" },
          {
            "role": "gate",
            "isBias": true,
            "name": "blk.{layer}.ffn_gate.bias",
            "when": { "key": "derived.has.ffn_gate.bias", "equals": true }
          },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up.weight" },
          {
            "role": "up",
            "isBias": true,
            "name": "blk.{layer}.ffn_up.bias",
            "when": { "key": "derived.has.ffn_up.bias", "equals": true }
          },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down.weight" },
          {
            "role": "down",
            "isBias": true,
            "name": "blk.{layer}.ffn_down.bias",
            "when": { "key": "derived.has.ffn_down.bias", "equals": true }
          },
          { "role": "outputNorm", "isBias": false, "name": "output_norm.weight" },
          { "role": "outputHead", "isBias": false, "name": "output.weight" }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear"]
      }
    }

    """#
}
