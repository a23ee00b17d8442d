// Made by scripts/embed-layouts from layouts/falcon.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/falcon.json`.
  static let falcon = #"""
    {
      "name": "falcon",
      "recognizes": [
        { "architecture": "FalconForCausalLM", "present": [], "absent": [] },
        { "architecture": "RWForCausalLM", "present": [], "absent": [] }
      ],
      "decoder": {
        "width": { "keys": ["hidden_size", "n_embed"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers", "n_layer"] },
        "maximumPositions": { "keys": ["max_position_embeddings"], "absent": 2048 },
        "queryHeads": { "keys": ["num_attention_heads", "n_head"] },
        "keyValueHeads": {
          "keys": ["num_kv_heads", "n_head_kv", "num_attention_heads", "n_head"],
          "cases": [
            {
              "when": [
                { "key": "multi_query", "equals": true, "orAbsent": true },
                { "key": "new_decoder_architecture", "equals": false, "orAbsent": true }
              ],
              "value": 1
            }
          ]
        },
        "feedForwardWidth": {
          "keys": ["ffn_hidden_size"],
          "absentMultiple": { "keys": ["hidden_size", "n_embed"], "by": 4 }
        },
        "normalization": {
          "kind": "layer",
          "epsilon": { "keys": ["layer_norm_epsilon"], "absent": 1e-5 }
        },
        "activation": {
          "source": { "keys": ["activation"], "absent": "gelu" },
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
              "absent": 1
            },
            "scaling": ["rope_parameters", "rope_scaling"]
          }
        },
        "order": {
          "keys": [],
          "cases": [
            { "when": [{ "key": "parallel_attn", "equals": false }], "value": "preNorm" },
            {
              "when": [{ "key": "num_ln_in_parallel_attn", "equals": 2 }],
              "value": "parallelNorms"
            },
            {
              "when": [
                { "key": "new_decoder_architecture", "equals": true },
                { "key": "num_ln_in_parallel_attn", "equals": null }
              ],
              "value": "parallelNorms"
            }
          ],
          "absent": "parallel"
        },
        "hasTiedHead": { "keys": ["tie_word_embeddings"], "absent": true },
        "beginToken": { "keys": ["bos_token_id"] },
        "endTokens": { "keys": ["eos_token_id"] }
      },
      "requirements": [
        {
          "key": "apply_residual_connection_post_layernorm",
          "allowed": [null, false],
          "part": "a residual after the norm"
        }
      ],
      "prefixes": ["transformer.", ""],
      "tensors": [
        { "role": "tokenEmbedding", "isBias": false, "name": "{prefix}word_embeddings.weight" },
        {
          "role": "attentionNorm",
          "isBias": false,
          "name": "{prefix}h.{layer}.ln_attn.weight",
          "orNames": ["{prefix}h.{layer}.input_layernorm.weight"]
        },
        {
          "role": "attentionNorm",
          "isBias": true,
          "name": "{prefix}h.{layer}.ln_attn.bias",
          "orNames": ["{prefix}h.{layer}.input_layernorm.bias"]
        },
        {
          "role": "query",
          "isBias": false,
          "name": "{prefix}h.{layer}.self_attention.query_key_value.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}h.{layer}.self_attention.query_key_value.bias",
          "when": { "key": "bias", "equals": true },
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "key",
          "isBias": false,
          "name": "{prefix}h.{layer}.self_attention.query_key_value.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}h.{layer}.self_attention.query_key_value.bias",
          "when": { "key": "bias", "equals": true },
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "value",
          "isBias": false,
          "name": "{prefix}h.{layer}.self_attention.query_key_value.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}h.{layer}.self_attention.query_key_value.bias",
          "when": { "key": "bias", "equals": true },
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": true }
        },
        {
          "role": "attentionOutput",
          "isBias": false,
          "name": "{prefix}h.{layer}.self_attention.dense.weight"
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}h.{layer}.self_attention.dense.bias",
          "when": { "key": "bias", "equals": true }
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}h.{layer}.ln_mlp.weight",
          "orNames": ["{prefix}h.{layer}.post_attention_layernorm.weight"]
        },
        {
          "role": "feedForwardNorm",
          "isBias": true,
          "name": "{prefix}h.{layer}.ln_mlp.bias",
          "orNames": ["{prefix}h.{layer}.post_attention_layernorm.bias"]
        },
        { "role": "up", "isBias": false, "name": "{prefix}h.{layer}.mlp.dense_h_to_4h.weight" },
        {
          "role": "up",
          "isBias": true,
          "name": "{prefix}h.{layer}.mlp.dense_h_to_4h.bias",
          "when": { "key": "bias", "equals": true }
        },
        { "role": "down", "isBias": false, "name": "{prefix}h.{layer}.mlp.dense_4h_to_h.weight" },
        {
          "role": "down",
          "isBias": true,
          "name": "{prefix}h.{layer}.mlp.dense_4h_to_h.bias",
          "when": { "key": "bias", "equals": true }
        },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}ln_f.weight" },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}ln_f.bias" },
        { "role": "outputHead", "isBias": false, "name": "lm_head.weight" }
      ],
      "ignoredTensors": [],
      "ignoredKeys": ["hidden_dropout", "apply_residual_connection_post_layernorm"],
      "gguf": {
        "architectures": ["falcon"],
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
              {
                "when": [{ "key": "derived.has.attn_norm_2.weight", "equals": true }],
                "value": "parallelNorms"
              }
            ],
            "absent": "parallel"
          },
          "hasTiedHead": { "keys": ["derived.tied_head"] },
          "beginToken": { "keys": ["tokenizer.ggml.bos_token_id"] },
          "endTokens": { "keys": ["derived.end_tokens"] }
        },
        "requirements": [],
        "tensors": [
          { "role": "tokenEmbedding", "isBias": false, "name": "token_embd.weight" },
          {
            "role": "attentionNorm",
            "isBias": false,
            "name": "blk.{layer}.attn_norm_2.weight",
            "orNames": ["blk.{layer}.attn_norm.weight"]
          },
          {
            "role": "attentionNorm",
            "isBias": true,
            "name": "blk.{layer}.attn_norm_2.bias",
            "orNames": ["blk.{layer}.attn_norm.bias"]
          },
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
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.attn_norm.weight" },
          { "role": "feedForwardNorm", "isBias": true, "name": "blk.{layer}.attn_norm.bias" },
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
        "ignoredKeys": ["rope.scale_linear", "tensor_data_layout"]
      }
    }

    """#
}
