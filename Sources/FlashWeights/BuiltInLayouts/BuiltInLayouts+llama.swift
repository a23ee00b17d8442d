// Made by scripts/embed-layouts from layouts/llama.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/llama.json`.
  static let llama = #"""
    {
      "name": "llama",
      "recognizes": [
        {
          "architecture": "LlamaForCausalLM",
          "present": [],
          "absent": ["num_key_value_heads_per_layer", "block_configs"]
        }
      ],
      "decoder": {
        "width": { "keys": ["hidden_size"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers"] },
        "maximumPositions": { "keys": ["max_position_embeddings"], "absent": 2048 },
        "queryHeads": { "keys": ["num_attention_heads"] },
        "keyValueHeads": {
          "keys": ["num_key_value_heads", "num_attention_heads"]
        },
        "feedForwardWidth": { "keys": ["intermediate_size"] },
        "headDimension": { "keys": ["head_dim"] },
        "normalization": {
          "kind": "rms",
          "epsilon": { "keys": ["rms_norm_eps"], "absent": 1e-6 }
        },
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
          "role": "attentionNorm", "isBias": false,
          "name": "{prefix}model.layers.{layer}.input_layernorm.weight"
        },
        {
          "role": "query", "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.weight"
        },
        {
          "role": "query", "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "key", "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.weight"
        },
        {
          "role": "key", "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "value", "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.weight"
        },
        {
          "role": "value", "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "attentionOutput", "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.weight"
        },
        {
          "role": "attentionOutput", "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "feedForwardNorm", "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight"
        },
        {
          "role": "gate", "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.gate_proj.weight"
        },
        {
          "role": "up", "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.up_proj.weight"
        },
        {
          "role": "down", "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.down_proj.weight"
        },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.norm.weight" },
        { "role": "outputHead", "isBias": false, "name": "lm_head.weight" }
      ],
      "ignoredTensors": ["{prefix}model.layers.{layer}.self_attn.rotary_emb.inv_freq"],
      "ignoredKeys": ["max_window_layers"],
      "gguf": {
        "architectures": ["llama"],
        "absent": ["derived.experts"],
        "rotaryPairs": "neighbours",
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
            "source": { "keys": ["derived.activation"], "absent": "silu" },
            "allowed": { "silu": "silu", "relu": "relu" }
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
          "hasTiedHead": { "keys": ["derived.tied_head"] },
          "beginToken": { "keys": ["tokenizer.ggml.bos_token_id"] },
          "endTokens": { "keys": ["derived.end_tokens"] }
        },
        "requirements": [],
        "tensors": [
          { "role": "tokenEmbedding", "isBias": false, "name": "token_embd.weight" },
          { "role": "attentionNorm", "isBias": false, "name": "blk.{layer}.attn_norm.weight" },
          {
            "role": "query", "isBias": false,
            "name": "blk.{layer}.attn_q.weight",
            "scale": "blk.{layer}.attn_q.scale"
          },
          {
            "role": "query", "isBias": true,
            "name": "blk.{layer}.attn_q.bias",
            "when": { "key": "derived.has.attn_q.bias", "equals": true }
          },
          {
            "role": "key", "isBias": false,
            "name": "blk.{layer}.attn_k.weight",
            "scale": "blk.{layer}.attn_k.scale"
          },
          {
            "role": "key", "isBias": true,
            "name": "blk.{layer}.attn_k.bias",
            "when": { "key": "derived.has.attn_k.bias", "equals": true }
          },
          {
            "role": "value", "isBias": false,
            "name": "blk.{layer}.attn_v.weight",
            "scale": "blk.{layer}.attn_v.scale"
          },
          {
            "role": "value", "isBias": true,
            "name": "blk.{layer}.attn_v.bias",
            "when": { "key": "derived.has.attn_v.bias", "equals": true }
          },
          {
            "role": "attentionOutput", "isBias": false,
            "name": "blk.{layer}.attn_output.weight",
            "scale": "blk.{layer}.attn_output.scale"
          },
          {
            "role": "attentionOutput", "isBias": true,
            "name": "blk.{layer}.attn_output.bias",
            "when": { "key": "derived.has.attn_output.bias", "equals": true }
          },
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.ffn_norm.weight" },
          {
            "role": "gate", "isBias": false,
            "name": "blk.{layer}.ffn_gate.weight",
            "scale": "blk.{layer}.ffn_gate.scale"
          },
          {
            "role": "gate", "isBias": true,
            "name": "blk.{layer}.ffn_gate.bias",
            "when": { "key": "derived.has.ffn_gate.bias", "equals": true },
            "scale": "blk.{layer}.ffn_gate.scale"
          },
          {
            "role": "up", "isBias": false,
            "name": "blk.{layer}.ffn_up.weight",
            "scale": "blk.{layer}.ffn_up.scale"
          },
          {
            "role": "up", "isBias": true,
            "name": "blk.{layer}.ffn_up.bias",
            "when": { "key": "derived.has.ffn_up.bias", "equals": true },
            "scale": "blk.{layer}.ffn_up.scale"
          },
          {
            "role": "down", "isBias": false,
            "name": "blk.{layer}.ffn_down.weight",
            "scale": "blk.{layer}.ffn_down.scale"
          },
          {
            "role": "down", "isBias": true,
            "name": "blk.{layer}.ffn_down.bias",
            "when": { "key": "derived.has.ffn_down.bias", "equals": true },
            "scale": "blk.{layer}.ffn_down.scale"
          },
          { "role": "outputNorm", "isBias": false, "name": "output_norm.weight" },
          { "role": "outputHead", "isBias": false, "name": "output.weight" }
        ],
        "ignoredTensors": [
          "rope_freqs.weight",
          "blk.{layer}.attn_q.input_scale",
          "blk.{layer}.attn_k.input_scale",
          "blk.{layer}.attn_v.input_scale",
          "blk.{layer}.attn_output.input_scale",
          "blk.{layer}.ffn_gate.input_scale",
          "blk.{layer}.ffn_up.input_scale",
          "blk.{layer}.ffn_down.input_scale"
        ],
        "ignoredKeys": [
          "rope.scale_linear",
          "attention.causal"
        ]
      }
    }

    """#
}
