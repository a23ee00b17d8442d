// Made by scripts/embed-layouts from layouts/qwen3-moe.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/qwen3-moe.json`.
  static let qwen3Moe = #"""
    {
      "name": "qwen3-moe",
      "like": "qwen2-moe",
      "recognizes": [{ "architecture": "Qwen3MoeForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "windows": { "types": null, "first": null },
        "queryKeyNorm": { "keys": [], "absent": "eachHead" },
        "experts": { "sharedWidth": null, "weighsShared": null }
      },
      "tensors": [
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
        },
        {
          "role": "queryNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.q_norm.weight"
        },
        {
          "role": "keyNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.k_norm.weight"
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.bias",
          "when": { "key": "attention_bias", "equals": true }
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
        },
        { "role": "sharedRouter", "isBias": false, "name": null }
      ],
      "ignoredKeys": ["output_router_logits", "router_aux_loss_coef", "max_window_layers"],
      "gguf": {
        "architectures": ["qwen3moe"],
        "decoder": {
          "positions": { "rotary": { "base": { "absent": 1000000 } } },
          "queryKeyNorm": { "keys": [], "absent": "eachHead" },
          "experts": {
            "isNormalized": { "absent": true },
            "sharedWidth": null,
            "weighsShared": null
          }
        },
        "tensors": [
          {
            "role": "gate",
            "isBias": false,
            "name": "blk.{layer}.ffn_gate_exps.weight",
            "scale": "blk.{layer}.ffn_gate_exps.scale"
          },
          {
            "role": "up",
            "isBias": false,
            "name": "blk.{layer}.ffn_up_exps.weight",
            "scale": "blk.{layer}.ffn_up_exps.scale"
          },
          {
            "role": "down",
            "isBias": false,
            "name": "blk.{layer}.ffn_down_exps.weight",
            "scale": "blk.{layer}.ffn_down_exps.scale"
          },
          { "role": "queryNorm", "isBias": false, "name": "blk.{layer}.attn_q_norm.weight" },
          { "role": "keyNorm", "isBias": false, "name": "blk.{layer}.attn_k_norm.weight" },
          { "role": "sharedGate", "isBias": false, "name": null },
          { "role": "sharedUp", "isBias": false, "name": null },
          { "role": "sharedDown", "isBias": false, "name": null },
          { "role": "sharedRouter", "isBias": false, "name": null }
        ]
      }
    }

    """#
}
