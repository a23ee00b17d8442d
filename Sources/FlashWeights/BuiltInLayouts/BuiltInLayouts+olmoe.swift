// Made by scripts/embed-layouts from layouts/olmoe.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/olmoe.json`.
  static let olmoe = #"""
    {
      "name": "olmoe",
      "like": "qwen3",
      "recognizes": [{ "architecture": "OlmoeForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "normalization": { "epsilon": { "absent": 1e-05 } },
        "queryKeyNorm": { "absent": "allHeads" },
        "windows": null,
        "experts": {
          "count": { "keys": ["num_experts", "num_local_experts"] },
          "activeCount": { "keys": ["num_experts_per_tok"] },
          "width": { "keys": ["intermediate_size"] },
          "scoring": { "keys": [], "absent": "softmax" },
          "isNormalized": { "keys": ["norm_topk_prob"], "absent": false }
        }
      },
      "tensors": [
        { "role": "router", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.gate.weight" },
        {
          "role": "gate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight",
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
          "name": "{prefix}model.layers.{layer}.mlp.experts.{expert}.up_proj.weight",
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
          "name": "{prefix}model.layers.{layer}.mlp.experts.{expert}.down_proj.weight",
          "orStacked": [{ "name": "{prefix}model.layers.{layer}.mlp.experts.down_proj", "stack": {} }]
        }
      ],
      "ignoredKeys": ["output_router_logits", "router_aux_loss_coef"],
      "gguf": {
        "architectures": ["olmoe"],
        "absent": null,
        "decoder": {
          "positions": { "rotary": { "base": { "absent": 10000 } } },
          "queryKeyNorm": { "absent": "allHeads" },
          "experts": {
            "count": { "keys": ["expert_count"] },
            "activeCount": { "keys": ["expert_used_count"] },
            "width": { "keys": ["feed_forward_length"] },
            "scoring": { "keys": [], "absent": "softmax" },
            "isNormalized": { "keys": [], "absent": false }
          }
        },
        "tensors": [
          { "role": "router", "isBias": false, "name": "blk.{layer}.ffn_gate_inp.weight" },
          { "role": "gate", "isBias": false, "name": "blk.{layer}.ffn_gate_exps.weight" },
          { "role": "gate", "isBias": true, "name": null },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up_exps.weight" },
          { "role": "up", "isBias": true, "name": null },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down_exps.weight" },
          { "role": "down", "isBias": true, "name": null }
        ]
      }
    }

    """#
}
