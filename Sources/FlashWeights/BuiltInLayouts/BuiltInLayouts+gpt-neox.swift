// Made by scripts/embed-layouts from layouts/gpt-neox.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/gpt-neox.json`.
  static let gptNeox = #"""
    {
      "name": "gpt-neox",
      "like": "phi",
      "recognizes": [{ "architecture": "GPTNeoXForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "keyValueHeads": { "keys": ["num_attention_heads"] },
        "activation": { "source": { "absent": "gelu" } },
        "positions": {
          "rotary": {
            "base": { "keys": ["rope_parameters.rope_theta", "rope_theta", "rotary_emb_base"] },
            "rotatedPart": {
              "keys": [
                "rope_parameters.partial_rotary_factor",
                "partial_rotary_factor",
                "rotary_pct"
              ],
              "absent": 0.25
            }
          }
        },
        "order": {
          "cases": [
            { "when": [{ "key": "use_parallel_residual", "equals": false }], "value": "preNorm" }
          ],
          "absent": "parallelNorms"
        },
        "headDimension": null
      },
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
        { "role": "up", "isBias": false, "name": "{prefix}layers.{layer}.mlp.dense_h_to_4h.weight" },
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
        },
        { "role": "outputHead", "isBias": true, "name": null }
      ],
      "ignoredTensors": [
        "{prefix}layers.{layer}.attention.rotary_emb.inv_freq",
        "{prefix}layers.{layer}.attention.bias",
        "{prefix}layers.{layer}.attention.masked_bias"
      ],
      "ignoredKeys": ["hidden_dropout", "classifier_dropout", "is_decoder"],
      "gguf": {
        "architectures": ["gptneox"],
        "decoder": {
          "activation": {
            "source": { "absent": "gelu" },
            "allowed": { "gelu": "gelu", "gelu_tanh": null }
          },
          "order": {
            "cases": [
              { "when": [{ "key": "use_parallel_residual", "equals": false }], "value": "preNorm" }
            ],
            "absent": "parallelNorms"
          }
        },
        "tensors": [
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.ffn_norm.weight" },
          { "role": "feedForwardNorm", "isBias": true, "name": "blk.{layer}.ffn_norm.bias" },
          { "role": "outputHead", "isBias": true, "name": null }
        ]
      }
    }

    """#
}
