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
      "predictors": {
        "reduction": "{prefix}model.layers.{layer}.mlp.predictor.fc1.weight",
        "expansion": "{prefix}model.layers.{layer}.mlp.predictor.fc2.weight",
        "input": "ffn-input"
      },
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
