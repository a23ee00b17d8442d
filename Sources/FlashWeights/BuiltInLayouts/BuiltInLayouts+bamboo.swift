// Made by scripts/embed-layouts from layouts/bamboo.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/bamboo.json`.
  static let bamboo = #"""
    {
      "name": "bamboo",
      "like": "llama",
      "recognizes": [{ "architecture": "BambooForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "activation": {
          "source": { "absent": null },
          "allowed": { "relu": "drelu", "silu": null, "swish": null }
        },
        "windows": { "length": { "keys": ["sliding_window"] } }
      },
      "tensors": [{ "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }],
      "ignoredKeys": [],
      "gguf": {
        "architectures": ["bamboo"],
        "decoder": {
          "activation": {
            "source": { "absent": "relu" },
            "allowed": { "relu": "drelu", "silu": null }
          }
        }
      }
    }

    """#
}
