// Made by scripts/embed-layouts from layouts/olmo2.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/olmo2.json`.
  static let olmo2 = #"""
    {
      "name": "olmo2",
      "like": "qwen3",
      "recognizes": [{ "architecture": "Olmo2ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "normalization": { "epsilon": { "absent": 1e-05 } },
        "order": { "keys": [], "absent": "postNorm" },
        "queryKeyNorm": { "absent": "allHeads" },
        "windows": null
      },
      "tensors": [
        {
          "role": "attentionOutputNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight"
        },
        {
          "role": "feedForwardOutputNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_feedforward_layernorm.weight"
        },
        { "role": "attentionNorm", "isBias": false, "name": null },
        { "role": "feedForwardNorm", "isBias": false, "name": null }
      ],
      "gguf": {
        "architectures": ["olmo2"],
        "decoder": {
          "positions": { "rotary": { "base": { "absent": 10000 } } },
          "order": { "keys": [], "absent": "postNorm" },
          "queryKeyNorm": { "absent": "allHeads" }
        },
        "tensors": [
          {
            "role": "attentionOutputNorm",
            "isBias": false,
            "name": "blk.{layer}.post_attention_norm.weight"
          },
          {
            "role": "feedForwardOutputNorm",
            "isBias": false,
            "name": "blk.{layer}.post_ffw_norm.weight"
          },
          { "role": "attentionNorm", "isBias": false, "name": null },
          { "role": "feedForwardNorm", "isBias": false, "name": null }
        ]
      }
    }

    """#
}
