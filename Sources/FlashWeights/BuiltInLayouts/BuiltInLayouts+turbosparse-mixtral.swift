// Made by scripts/embed-layouts from layouts/turbosparse-mixtral.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/turbosparse-mixtral.json`.
  static let turbosparseMixtral = #"""
    {
      "name": "turbosparse-mixtral",
      "like": "mixtral",
      "recognizes": [{ "architecture": "TurboSparseMixtralForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "activation": {
          "allowed": { "relu": "drelu", "silu": null, "swish": null },
          "source": { "keys": ["hidden_act"], "absent": "relu" }
        }
      },
      "predictors": {
        "reduction":
          "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.predictor.fc1.weight",
        "expansion":
          "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.predictor.fc2.weight",
        "input": "ffn-input"
      },
      "gguf": null
    }

    """#
}
