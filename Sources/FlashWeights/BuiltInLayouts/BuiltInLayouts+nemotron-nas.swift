// Made by scripts/embed-layouts from layouts/nemotron-nas.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/nemotron-nas.json`.
  static let nemotronNas = #"""
    {
      "name": "nemotron-nas",
      "like": "llama",
      "recognizes": [
        { "architecture": "DeciLMForCausalLM", "present": ["block_configs"], "absent": [] },
        { "architecture": "LlamaForCausalLM", "present": ["block_configs"], "absent": [] }
      ],
      "decoder": { "blocks": { "keys": ["block_configs"] } },
      "tensors": [
        {
          "role": "linearAttention",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.linear_attn.weight"
        },
        {
          "role": "linearFeedForward",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.linear_mlp.weight"
        },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }
      ],
      "ignoredKeys": [],
      "gguf": null
    }

    """#
}
