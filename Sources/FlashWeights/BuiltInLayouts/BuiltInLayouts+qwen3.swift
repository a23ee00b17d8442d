// Made by scripts/embed-layouts from layouts/qwen3.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/qwen3.json`.
  static let qwen3 = #"""
    {
      "name": "qwen3",
      "like": "qwen2",
      "recognizes": [{ "architecture": "Qwen3ForCausalLM", "present": [], "absent": [] }],
      "decoder": { "queryKeyNorm": { "keys": [], "absent": "eachHead" } },
      "tensors": [
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
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
          "name": "{prefix}model.layers.{layer}.self_attn.q_norm.weight"
        },
        {
          "role": "keyNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.k_norm.weight"
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        }
      ],
      "gguf": {
        "architectures": ["qwen3"],
        "decoder": {
          "positions": { "rotary": { "base": { "absent": 1000000 } } },
          "queryKeyNorm": { "keys": [], "absent": "eachHead" }
        },
        "tensors": [
          { "role": "queryNorm", "isBias": false, "name": "blk.{layer}.attn_q_norm.weight" },
          { "role": "keyNorm", "isBias": false, "name": "blk.{layer}.attn_k_norm.weight" }
        ]
      }
    }

    """#
}
