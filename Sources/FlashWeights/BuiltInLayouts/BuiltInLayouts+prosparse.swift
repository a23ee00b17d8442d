// Made by scripts/embed-layouts from layouts/prosparse.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/prosparse.json`.
  static let prosparse = #"""
    {
      "name": "prosparse",
      "like": "llama",
      "recognizes": [{ "architecture": "SparseLlamaForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "activation": {
          "source": { "absent": null },
          "allowed": { "fatrelu": "fatrelu", "silu": null, "swish": null },
          "threshold": { "keys": ["hidden_act_param"], "absent": 0 }
        }
      },
      "tensors": [{ "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }],
      "ignoredKeys": [],
      "gguf": null
    }

    """#
}
