// Made by scripts/embed-layouts from layouts/mixtral.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/mixtral.json`.
  static let mixtral = #"""
    {
      "name": "mixtral",
      "like": "mistral",
      "recognizes": [{ "architecture": "MixtralForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "maximumPositions": { "absent": 131072 },
        "normalization": { "epsilon": { "absent": 1e-05 } },
        "positions": { "rotary": { "base": { "absent": 1000000 } } },
        "experts": {
          "count": { "keys": ["num_local_experts", "num_experts"] },
          "activeCount": { "keys": ["num_experts_per_tok"] },
          "width": { "keys": ["intermediate_size"] },
          "scoring": { "keys": [], "absent": "softmax" },
          "isNormalized": { "keys": [], "absent": true }
        }
      },
      "tensors": [
        {
          "role": "router",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.gate.weight",
          "orNames": ["{prefix}model.layers.{layer}.mlp.gate.weight"]
        },
        {
          "role": "gate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.w1.weight",
          "orStacked": [
            {
              "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj",
              "stack": { "roles": ["gate", "up"] }
            }
          ]
        },
        {
          "role": "up",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.w3.weight",
          "orStacked": [
            {
              "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj",
              "stack": { "roles": ["gate", "up"] }
            }
          ]
        },
        {
          "role": "down",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.w2.weight",
          "orStacked": [
            { "name": "{prefix}model.layers.{layer}.mlp.experts.down_proj", "stack": {} }
          ]
        }
      ],
      "ignoredKeys": ["output_router_logits", "router_aux_loss_coef", "router_jitter_noise"],
      "gguf": null
    }

    """#
}
