// Made by scripts/embed-layouts from layouts/mixtral.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/mixtral.json`.
  static let mixtral = #"""
    {
      "name": "mixtral",
      "like": "llama",
      "recognizes": [{ "architecture": "MixtralForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "maximumPositions": { "absent": 131072 },
        "normalization": { "epsilon": { "absent": 1e-05 } },
        "activation": { "allowed": { "relu": null } },
        "positions": { "rotary": { "base": { "absent": 1000000 } } },
        "windows": { "length": { "keys": ["sliding_window"] } },
        "experts": {
          "count": { "keys": ["num_local_experts", "num_experts"] },
          "activeCount": { "keys": ["num_experts_per_tok"] },
          "width": { "keys": ["intermediate_size"] },
          "scoring": { "keys": [], "absent": "softmax" },
          "isNormalized": { "keys": [], "absent": true }
        }
      },
      "tensors": [
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "query", "isBias": true, "name": null },
        { "role": "key", "isBias": true, "name": null },
        { "role": "value", "isBias": true, "name": null },
        { "role": "attentionOutput", "isBias": true, "name": null },
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
          "orStacked": [{ "name": "{prefix}model.layers.{layer}.mlp.experts.down_proj", "stack": {} }]
        }
      ],
      "ignoredKeys": ["output_router_logits", "router_aux_loss_coef", "router_jitter_noise"],
      "gguf": {
        "architectures": ["llama"],
        "present": ["derived.experts"],
        "absent": null,
        "decoder": {
          "activation": { "allowed": { "relu": null } },
          "experts": {
            "count": { "keys": ["expert_count"] },
            "activeCount": { "keys": ["expert_used_count"] },
            "width": { "keys": ["feed_forward_length"] },
            "scoring": { "keys": [], "absent": "softmax" },
            "isNormalized": { "keys": [], "absent": true }
          }
        },
        "tensors": [
          { "role": "router", "isBias": false, "name": "blk.{layer}.ffn_gate_inp.weight" },
          {
            "role": "gate",
            "isBias": false,
            "name": "blk.{layer}.ffn_gate.{expert}.weight",
            "orStacked": [{ "name": "blk.{layer}.ffn_gate_exps.weight", "stack": {} }],
            "scale": "blk.{layer}.ffn_gate_exps.scale"
          },
          { "role": "gate", "isBias": true, "name": null },
          {
            "role": "up",
            "isBias": false,
            "name": "blk.{layer}.ffn_up.{expert}.weight",
            "orStacked": [{ "name": "blk.{layer}.ffn_up_exps.weight", "stack": {} }],
            "scale": "blk.{layer}.ffn_up_exps.scale"
          },
          { "role": "up", "isBias": true, "name": null },
          {
            "role": "down",
            "isBias": false,
            "name": "blk.{layer}.ffn_down.{expert}.weight",
            "orStacked": [{ "name": "blk.{layer}.ffn_down_exps.weight", "stack": {} }],
            "scale": "blk.{layer}.ffn_down_exps.scale"
          },
          { "role": "down", "isBias": true, "name": null }
        ],
        "ignoredTensors": [
          "rope_freqs.weight",
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
