// Made by scripts/embed-layouts from layouts/qwen3-moe.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/qwen3-moe.json`.
  static let qwen3Moe = #"""
    {
      "name": "qwen3-moe",
      "like": "qwen3",
      "recognizes": [{ "architecture": "Qwen3MoeForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "windows": { "types": null, "first": null },
        "experts": {
          "count": { "keys": ["num_experts", "num_local_experts"] },
          "activeCount": { "keys": ["num_experts_per_tok"] },
          "width": { "keys": ["moe_intermediate_size"] },
          "scoring": { "keys": [], "absent": "softmax" },
          "isNormalized": { "keys": ["norm_topk_prob"], "absent": false },
          "interval": { "keys": ["decoder_sparse_step"], "absent": 1 },
          "denseLayers": { "keys": ["mlp_only_layers"] }
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
        },
        {
          "role": "sharedGate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.gate_proj.weight"
        },
        {
          "role": "sharedUp",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.up_proj.weight"
        },
        {
          "role": "sharedDown",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.down_proj.weight"
        }
      ],
      "ignoredKeys": ["output_router_logits", "router_aux_loss_coef", "max_window_layers"],
      "gguf": {
        "architectures": ["qwen3moe"],
        "absent": null,
        "decoder": {
          "experts": {
            "count": { "keys": ["expert_count"] },
            "activeCount": { "keys": ["expert_used_count"] },
            "width": { "keys": ["expert_feed_forward_length"] },
            "scoring": { "keys": [], "absent": "softmax" },
            "isNormalized": { "keys": [], "absent": true }
          }
        },
        "tensors": [
          {
            "role": "query",
            "isBias": false,
            "name": "blk.{layer}.attn_q.weight",
            "scale": "blk.{layer}.attn_q.scale"
          },
          {
            "role": "key",
            "isBias": false,
            "name": "blk.{layer}.attn_k.weight",
            "scale": "blk.{layer}.attn_k.scale"
          },
          {
            "role": "value",
            "isBias": false,
            "name": "blk.{layer}.attn_v.weight",
            "scale": "blk.{layer}.attn_v.scale"
          },
          {
            "role": "attentionOutput",
            "isBias": false,
            "name": "blk.{layer}.attn_output.weight",
            "scale": "blk.{layer}.attn_output.scale"
          },
          { "role": "router", "isBias": false, "name": "blk.{layer}.ffn_gate_inp.weight" },
          {
            "role": "gate",
            "isBias": false,
            "name": "blk.{layer}.ffn_gate_exps.weight",
            "scale": "blk.{layer}.ffn_gate_exps.scale"
          },
          { "role": "gate", "isBias": true, "name": null },
          {
            "role": "up",
            "isBias": false,
            "name": "blk.{layer}.ffn_up_exps.weight",
            "scale": "blk.{layer}.ffn_up_exps.scale"
          },
          { "role": "up", "isBias": true, "name": null },
          {
            "role": "down",
            "isBias": false,
            "name": "blk.{layer}.ffn_down_exps.weight",
            "scale": "blk.{layer}.ffn_down_exps.scale"
          },
          { "role": "down", "isBias": true, "name": null }
        ],
        "ignoredTensors": [
          "blk.{layer}.attn_q.input_scale",
          "blk.{layer}.attn_k.input_scale",
          "blk.{layer}.attn_v.input_scale",
          "blk.{layer}.attn_output.input_scale",
          "blk.{layer}.ffn_gate_exps.input_scale",
          "blk.{layer}.ffn_up_exps.input_scale",
          "blk.{layer}.ffn_down_exps.input_scale"
        ]
      }
    }

    """#
}
