// Made by scripts/embed-layouts from layouts/phi3.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/phi3.json`.
  static let phi3 = #"""
    {
      "name": "phi3",
      "recognizes": [{ "architecture": "Phi3ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "width": { "keys": ["hidden_size"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers"] },
        "maximumPositions": { "keys": ["max_position_embeddings"], "absent": 4096 },
        "queryHeads": { "keys": ["num_attention_heads"] },
        "keyValueHeads": { "keys": ["num_key_value_heads", "num_attention_heads"] },
        "feedForwardWidth": { "keys": ["intermediate_size"] },
        "headDimension": { "keys": ["head_dim"] },
        "normalization": { "kind": "rms", "epsilon": { "keys": ["rms_norm_eps"], "absent": 1e-5 } },
        "activation": {
          "source": { "keys": ["hidden_act"], "absent": "silu" },
          "allowed": { "silu": "silu", "swish": "silu" }
        },
        "isGated": true,
        "positions": {
          "rotary": {
            "base": { "keys": ["rope_parameters.rope_theta", "rope_theta"], "absent": 10000 },
            "rotatedPart": {
              "keys": ["rope_parameters.partial_rotary_factor", "partial_rotary_factor"],
              "absent": 1
            },
            "scaling": ["rope_parameters", "rope_scaling"],
            "originalPositions": { "keys": ["original_max_position_embeddings"] }
          }
        },
        "windows": { "length": { "keys": ["sliding_window"] } },
        "hasTiedHead": { "keys": ["tie_word_embeddings"], "absent": false },
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
          "name": "{prefix}model.layers.{layer}.input_layernorm.weight"
        },
        {
          "role": "query",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.qkv_proj.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
        },
        {
          "role": "key",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.qkv_proj.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
        },
        {
          "role": "value",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.qkv_proj.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
        },
        {
          "role": "attentionOutput",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.weight"
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight"
        },
        {
          "role": "gate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.gate_up_proj.weight",
          "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
        },
        {
          "role": "up",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.gate_up_proj.weight",
          "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
        },
        {
          "role": "down",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.down_proj.weight"
        },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.norm.weight" },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }
      ],
      "ignoredTensors": ["{prefix}model.layers.{layer}.self_attn.rotary_emb.inv_freq"],
      "ignoredKeys": ["embd_pdrop", "resid_pdrop"],
      "gguf": {
        "architectures": ["phi3"],
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
            "source": { "keys": [], "absent": "silu" },
            "allowed": { "silu": "silu" }
          },
          "isGated": true,
          "positions": {
            "rotary": {
              "base": { "keys": ["rope.freq_base"], "absent": 10000 },
              "rotatedPart": { "keys": [], "absent": 1 },
              "dimension": { "keys": ["rope.dimension_count"] },
              "scaling": ["derived.rope_scaling"]
            }
          },
          "windows": { "length": { "keys": ["attention.sliding_window"] } },
          "hasTiedHead": { "keys": ["derived.tied_head"] },
          "beginToken": { "keys": ["tokenizer.ggml.bos_token_id"] },
          "endTokens": { "keys": ["derived.end_tokens"] }
        },
        "requirements": [],
        "tensors": [
          { "role": "tokenEmbedding", "isBias": false, "name": "token_embd.weight" },
          { "role": "attentionNorm", "isBias": false, "name": "blk.{layer}.attn_norm.weight" },
          {
            "role": "query",
            "isBias": false,
            "name": "blk.{layer}.attn_qkv.weight",
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "query",
            "isBias": true,
            "name": "blk.{layer}.attn_qkv.bias",
            "when": { "key": "derived.has.attn_qkv.bias", "equals": true },
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "key",
            "isBias": false,
            "name": "blk.{layer}.attn_qkv.weight",
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "key",
            "isBias": true,
            "name": "blk.{layer}.attn_qkv.bias",
            "when": { "key": "derived.has.attn_qkv.bias", "equals": true },
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "value",
            "isBias": false,
            "name": "blk.{layer}.attn_qkv.weight",
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "value",
            "isBias": true,
            "name": "blk.{layer}.attn_qkv.bias",
            "when": { "key": "derived.has.attn_qkv.bias", "equals": true },
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
          {
            "role": "attentionOutput",
            "isBias": true,
            "name": "blk.{layer}.attn_output.bias",
            "when": { "key": "derived.has.attn_output.bias", "equals": true }
          },
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.ffn_norm.weight" },
          {
            "role": "gate",
            "isBias": false,
            "name": "blk.{layer}.ffn_up.weight",
            "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
          },
          {
            "role": "up",
            "isBias": false,
            "name": "blk.{layer}.ffn_up.weight",
            "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
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
