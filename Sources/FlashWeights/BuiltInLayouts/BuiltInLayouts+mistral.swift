// Made by scripts/embed-layouts from layouts/mistral.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/mistral.json`.
  static let mistral = #"""
    {
      "name": "mistral",
      "like": "llama",
      "recognizes": [{ "architecture": "MistralForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "activation": { "allowed": { "relu": null } },
        "windows": { "length": { "keys": ["sliding_window"] } }
      },
      "tensors": [
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "query", "isBias": true, "name": null },
        { "role": "key", "isBias": true, "name": null },
        { "role": "value", "isBias": true, "name": null },
        { "role": "attentionOutput", "isBias": true, "name": null }
      ],
      "ignoredKeys": [],
      "gguf": null
    }

    """#
}
