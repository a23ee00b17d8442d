// Made by scripts/embed-layouts from layouts/phi.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/phi.json`.
  static let phi = #"""
    {
      "name": "phi",
      "recognizes": [{ "architecture": "PhiForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "width": { "keys": ["hidden_size"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers"] },
        "maximumPositions": { "keys": ["max_position_embeddings"], "absent": 2048 },
        "queryHeads": { "keys": ["num_attention_heads"] },
        "keyValueHeads": { "keys": ["num_key_value_heads", "num_attention_heads"] },
        "feedForwardWidth": { "keys": ["intermediate_size"] },
        "headDimension": { "keys": ["head_dim"] },
        "normalization": {
          "kind": "layer",
          "epsilon": { "keys": ["layer_norm_eps"], "absent": 1e-5 }
        },
        "activation": {
          "source": { "keys": ["hidden_act"], "absent": "gelu_new" },
          "allowed": {
            "gelu": "gelu",
            "gelu_new": "gelu_tanh",
            "gelu_fast": "gelu_tanh",
            "gelu_pytorch_tanh": "gelu_tanh"
          }
        },
        "isGated": false,
        "positions": {
          "rotary": {
            "base": { "keys": ["rope_parameters.rope_theta", "rope_theta"], "absent": 10000 },
            "rotatedPart": {
              "keys": ["rope_parameters.partial_rotary_factor", "partial_rotary_factor"],
              "absent": 0.5
            },
            "scaling": ["rope_parameters", "rope_scaling"]
          }
        },
        "order": { "keys": [], "absent": "parallel" },
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
          "role": "attentionNorm",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.input_layernorm.bias"
        },
        {
          "role": "query",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.weight"
        },
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias"
        },
        {
          "role": "key",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.weight"
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias"
        },
        {
          "role": "value",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.weight"
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias"
        },
        {
          "role": "attentionOutput",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.dense.weight"
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.dense.bias"
        },
        { "role": "up", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.fc1.weight" },
        { "role": "up", "isBias": true, "name": "{prefix}model.layers.{layer}.mlp.fc1.bias" },
        { "role": "down", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.fc2.weight" },
        { "role": "down", "isBias": true, "name": "{prefix}model.layers.{layer}.mlp.fc2.bias" },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.final_layernorm.weight" },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}model.final_layernorm.bias" },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "outputHead", "isBias": true, "name": "{prefix}lm_head.bias" }
      ],
      "ignoredTensors": ["{prefix}model.layers.{layer}.self_attn.rotary_emb.inv_freq"],
      "ignoredKeys": ["embd_pdrop", "resid_pdrop"],
      "gguf": {
        "architectures": ["phi2"],
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
            "kind": "layer",
            "epsilon": { "keys": ["attention.layer_norm_epsilon"] }
          },
          "activation": {
            "source": { "keys": [], "absent": "gelu_tanh" },
            "allowed": { "gelu_tanh": "gelu_tanh" }
          },
          "isGated": false,
          "positions": {
            "rotary": {
              "base": { "keys": ["rope.freq_base"], "absent": 10000 },
              "rotatedPart": { "keys": [], "absent": 1 },
              "dimension": { "keys": ["rope.dimension_count"] },
              "scaling": ["derived.rope_scaling"]
            }
          },
          "order": { "keys": [], "absent": "parallel" },
          "hasTiedHead": { "keys": ["derived.tied_head"] },
          "beginToken": { "keys": ["tokenizer.ggml.bos_token_id"] },
          "endTokens": { "keys": ["derived.end_tokens"] }
        },
        "requirements": [],
        "tensors": [
          { "role": "tokenEmbedding", "isBias": false, "name": "token_embd.weight" },
          { "role": "attentionNorm", "isBias": false, "name": "blk.{layer}.attn_norm.weight" },
          { "role": "attentionNorm", "isBias": true, "name": "blk.{layer}.attn_norm.bias" },
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
          { "role": "outputNorm", "isBias": true, "name": "output_norm.bias" },
          { "role": "outputHead", "isBias": false, "name": "output.weight" },
          { "role": "outputHead", "isBias": true, "name": "output.bias" }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear"]
      }
    }

    """#
}
