// Made by scripts/embed-layouts from layouts/qwen2-moe.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/qwen2-moe.json`.
  static let qwen2Moe = #"""
    {
      "name": "qwen2-moe",
      "like": "qwen2",
      "recognizes": [{ "architecture": "Qwen2MoeForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "experts": {
          "count": { "keys": ["num_experts", "num_local_experts"] },
          "activeCount": { "keys": ["num_experts_per_tok"] },
          "width": { "keys": ["moe_intermediate_size"] },
          "scoring": { "keys": [], "absent": "softmax" },
          "isNormalized": { "keys": ["norm_topk_prob"], "absent": false },
          "sharedWidth": { "keys": ["shared_expert_intermediate_size"] },
          "weighsShared": true,
          "interval": { "keys": ["decoder_sparse_step"], "absent": 1 },
          "denseLayers": { "keys": ["mlp_only_layers"] }
        }
      },
      "tensors": [
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias",
          "when": { "key": "qkv_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "qkv_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias",
          "when": { "key": "qkv_bias", "equals": true, "orAbsent": true }
        },
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
          "name": "{prefix}model.layers.{layer}.mlp.shared_expert.gate_proj.weight",
          "denseName": "{prefix}model.layers.{layer}.mlp.gate_proj.weight"
        },
        {
          "role": "sharedUp",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.shared_expert.up_proj.weight",
          "denseName": "{prefix}model.layers.{layer}.mlp.up_proj.weight"
        },
        {
          "role": "sharedDown",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.shared_expert.down_proj.weight",
          "denseName": "{prefix}model.layers.{layer}.mlp.down_proj.weight"
        },
        {
          "role": "sharedRouter",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.shared_expert_gate.weight"
        }
      ],
      "ignoredKeys": ["output_router_logits", "router_aux_loss_coef"],
      "gguf": {
        "architectures": ["qwen2moe"],
        "absent": null,
        "decoder": {
          "experts": {
            "count": { "keys": ["expert_count"] },
            "activeCount": { "keys": ["expert_used_count"] },
            "width": { "keys": ["expert_feed_forward_length"] },
            "scoring": { "keys": [], "absent": "softmax" },
            "isNormalized": { "keys": [], "absent": false },
            "sharedWidth": { "keys": ["expert_shared_feed_forward_length", "feed_forward_length"] },
            "weighsShared": true
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
          { "role": "gate", "isBias": false, "name": "blk.{layer}.ffn_gate_exps.weight" },
          { "role": "gate", "isBias": true, "name": null },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up_exps.weight" },
          { "role": "up", "isBias": true, "name": null },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down_exps.weight" },
          { "role": "down", "isBias": true, "name": null },
          { "role": "sharedGate", "isBias": false, "name": "blk.{layer}.ffn_gate_shexp.weight" },
          { "role": "sharedUp", "isBias": false, "name": "blk.{layer}.ffn_up_shexp.weight" },
          { "role": "sharedDown", "isBias": false, "name": "blk.{layer}.ffn_down_shexp.weight" },
          { "role": "sharedRouter", "isBias": false, "name": "blk.{layer}.ffn_gate_inp_shexp.weight" }
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
