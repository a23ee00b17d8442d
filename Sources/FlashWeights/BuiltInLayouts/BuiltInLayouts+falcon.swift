// Made by scripts/embed-layouts from layouts/falcon.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/falcon.json`.
  static let falcon = #"""
    {
      "name": "falcon",
      "like": "gpt-neox",
      "recognizes": [
        { "architecture": "FalconForCausalLM", "present": [], "absent": [] },
        { "architecture": "RWForCausalLM", "present": [], "absent": [] }
      ],
      "decoder": {
        "width": { "keys": ["hidden_size", "n_embed"] },
        "layerCount": { "keys": ["num_hidden_layers", "n_layer"] },
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
        "normalization": { "epsilon": { "keys": ["layer_norm_epsilon"] } },
        "activation": { "source": { "keys": ["activation"] } },
        "positions": {
          "rotary": {
            "base": { "keys": ["rope_parameters.rope_theta", "rope_theta"] },
            "rotatedPart": {
              "keys": ["rope_parameters.partial_rotary_factor", "partial_rotary_factor"],
              "absent": 1
            }
          }
        },
        "order": {
          "cases": [
            { "when": [{ "key": "parallel_attn", "equals": false }], "value": "preNorm" },
            { "when": [{ "key": "num_ln_in_parallel_attn", "equals": 2 }], "value": "parallelNorms" },
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
        "hasTiedHead": { "absent": true }
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
        "decoder": {
          "activation": {
            "source": { "keys": ["derived.activation"] },
            "allowed": { "relu": "relu" }
          },
          "order": {
            "cases": [
              {
                "when": [{ "key": "derived.has.attn_norm_2.weight", "equals": true }],
                "value": "parallelNorms"
              }
            ],
            "absent": "parallel"
          }
        },
        "tensors": [
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
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.attn_norm.weight" },
          { "role": "feedForwardNorm", "isBias": true, "name": "blk.{layer}.attn_norm.bias" }
        ],
        "ignoredKeys": ["rope.scale_linear", "tensor_data_layout"]
      }
    }

    """#
}
