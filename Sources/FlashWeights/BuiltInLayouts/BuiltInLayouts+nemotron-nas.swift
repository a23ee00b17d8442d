// Made by scripts/embed-layouts from layouts/nemotron-nas.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/nemotron-nas.json`.
  static let nemotronNas = #"""
    {
      "name": "nemotron-nas",
      "recognizes": [
        { "architecture": "DeciLMForCausalLM", "present": ["block_configs"], "absent": [] },
        { "architecture": "LlamaForCausalLM", "present": ["block_configs"], "absent": [] }
      ],
      "decoder": {
        "width": { "keys": ["hidden_size"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers"] },
        "maximumPositions": { "keys": ["max_position_embeddings"], "absent": 2048 },
        "queryHeads": { "keys": ["num_attention_heads"] },
        "keyValueHeads": { "keys": ["num_key_value_heads", "num_attention_heads"] },
        "feedForwardWidth": { "keys": ["intermediate_size"] },
        "headDimension": { "keys": ["head_dim"] },
        "blocks": { "keys": ["block_configs"] },
        "normalization": { "kind": "rms", "epsilon": { "keys": ["rms_norm_eps"], "absent": 1e-6 } },
        "activation": {
          "source": { "keys": ["hidden_act"], "absent": "silu" },
          "allowed": { "silu": "silu", "swish": "silu", "relu": "relu" }
        },
        "isGated": true,
        "positions": {
          "rotary": {
            "base": { "keys": ["rope_parameters.rope_theta", "rope_theta"], "absent": 10000 },
            "rotatedPart": {
              "keys": ["rope_parameters.partial_rotary_factor", "partial_rotary_factor"],
              "absent": 1
            },
            "scaling": ["rope_parameters", "rope_scaling"]
          }
        },
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
          "role": "linearAttention",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.linear_attn.weight"
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight"
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
        {
          "role": "linearFeedForward",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.linear_mlp.weight"
        },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.norm.weight" },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }
      ],
      "ignoredTensors": ["{prefix}model.layers.{layer}.self_attn.rotary_emb.inv_freq"],
      "ignoredKeys": []
    }

    """#
}
