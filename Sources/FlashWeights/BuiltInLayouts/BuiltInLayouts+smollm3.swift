// Made by scripts/embed-layouts from layouts/smollm3.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/smollm3.json`.
  static let smollm3 = #"""
    {
      "name": "smollm3",
      "like": "granite",
      "recognizes": [{ "architecture": "SmolLM3ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "positions": {
          "rotary": {
            "base": { "absent": 2000000 },
            "layers": { "keys": ["no_rope_layers"] },
            "interval": { "keys": ["no_rope_layer_interval"], "absent": 4 }
          }
        },
        "windows": {
          "length": { "keys": ["sliding_window"] },
          "when": { "key": "use_sliding_window", "equals": true },
          "types": { "keys": ["layer_types"] }
        },
        "scales": null
      },
      "ignoredKeys": ["max_window_layers"],
      "gguf": {
        "architectures": ["smollm3"],
        "decoder": {
          "positions": {
            "rotary": { "base": { "absent": 2000000 }, "interval": { "keys": [], "absent": 4 } }
          },
          "scales": null
        }
      }
    }

    """#
}
