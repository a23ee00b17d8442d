// Made by scripts/embed-layouts from layouts/gpt-neox.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/gpt-neox.json`.
  static let gptNeox = #"""
    {
      "name": "gpt-neox",
      "recognizes": [{ "architecture": "GPTNeoXForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "width": { "keys": ["hidden_size"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers"] },
        "maximumPositions": { "keys": ["max_position_embeddings"], "absent": 2048 },
        "queryHeads": { "keys": ["num_attention_heads"] },
        "keyValueHeads": { "keys": ["num_attention_heads"] },
        "feedForwardWidth": { "keys": ["intermediate_size"] },
        "normalization": {
          "kind": "layer",
          "epsilon": { "keys": ["layer_norm_eps"], "absent": 1e-5 }
        },
        "activation": {
          "source": { "keys": ["hidden_act"], "absent": "gelu" },
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
            "base": {
              "keys": ["rope_parameters.rope_theta", "rope_theta", "rotary_emb_base"],
              "absent": 10000
            },
            "rotatedPart": {
              "keys": [
                "rope_parameters.partial_rotary_factor",
                "partial_rotary_factor",
                "rotary_pct"
              ],
              "absent": 0.25
            },
            "scaling": ["rope_parameters", "rope_scaling"]
          }
        },
        "order": {
          "keys": [],
          "cases": [
            { "when": [{ "key": "use_parallel_residual", "equals": false }], "value": "preNorm" }
          ],
          "absent": "parallelNorms"
        },
        "hasTiedHead": { "keys": ["tie_word_embeddings"], "absent": false },
        "beginToken": { "keys": ["bos_token_id"] },
        "endTokens": { "keys": ["eos_token_id"] }
      },
      "requirements": [],
      "prefixes": ["gpt_neox."],
      "tensors": [
        { "role": "tokenEmbedding", "isBias": false, "name": "{prefix}embed_in.weight" },
        {
          "role": "attentionNorm",
          "isBias": false,
          "name": "{prefix}layers.{layer}.input_layernorm.weight"
        },
        {
          "role": "attentionNorm",
          "isBias": true,
          "name": "{prefix}layers.{layer}.input_layernorm.bias"
        },
        {
          "role": "query",
          "isBias": false,
          "name": "{prefix}layers.{layer}.attention.query_key_value.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}layers.{layer}.attention.query_key_value.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true },
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "key",
          "isBias": false,
          "name": "{prefix}layers.{layer}.attention.query_key_value.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}layers.{layer}.attention.query_key_value.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true },
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "value",
          "isBias": false,
          "name": "{prefix}layers.{layer}.attention.query_key_value.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}layers.{layer}.attention.query_key_value.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true },
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "attentionOutput",
          "isBias": false,
          "name": "{prefix}layers.{layer}.attention.dense.weight"
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}layers.{layer}.attention.dense.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}layers.{layer}.post_attention_layernorm.weight"
        },
        {
          "role": "feedForwardNorm",
          "isBias": true,
          "name": "{prefix}layers.{layer}.post_attention_layernorm.bias"
        },
        {
          "role": "up",
          "isBias": false,
          "name": "{prefix}layers.{layer}.mlp.dense_h_to_4h.weight"
        },
        { "role": "up", "isBias": true, "name": "{prefix}layers.{layer}.mlp.dense_h_to_4h.bias" },
        {
          "role": "down",
          "isBias": false,
          "name": "{prefix}layers.{layer}.mlp.dense_4h_to_h.weight"
        },
        { "role": "down", "isBias": true, "name": "{prefix}layers.{layer}.mlp.dense_4h_to_h.bias" },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}final_layer_norm.weight" },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}final_layer_norm.bias" },
        {
          "role": "outputHead",
          "isBias": false,
          "name": "embed_out.weight",
          "orNames": ["lm_head.weight"]
        }
      ],
      "ignoredTensors": [
        "{prefix}layers.{layer}.attention.rotary_emb.inv_freq",
        "{prefix}layers.{layer}.attention.bias",
        "{prefix}layers.{layer}.attention.masked_bias"
      ],
      "ignoredKeys": ["hidden_dropout", "classifier_dropout", "is_decoder"],
      "gguf": {
        "architectures": ["gptneox"],
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
            "source": { "keys": [], "absent": "gelu" },
            "allowed": { "gelu": "gelu" }
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
          "order": {
            "keys": [],
            "cases": [
              { "when": [{ "key": "use_parallel_residual", "equals": false }], "value": "preNorm" }
            ],
            "absent": "parallelNorms"
          },
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
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.ffn_norm.weight" },
          { "role": "feedForwardNorm", "isBias": true, "name": "blk.{layer}.ffn_norm.bias" },
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
          { "role": "outputHead", "isBias": false, "name": "output.weight" }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear"]
      }
    }

    """#
}
