// Made by scripts/embed-layouts from layouts/stablelm.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/stablelm.json`.
  static let stablelm = #"""
    {
      "name": "stablelm",
      "like": "llama",
      "recognizes": [
        { "architecture": "StableLmForCausalLM", "present": [], "absent": [] },
        { "architecture": "StableLMEpochForCausalLM", "present": [], "absent": [] }
      ],
      "decoder": {
        "maximumPositions": { "absent": 4096 },
        "normalization": {
          "kind": "layer",
          "epsilon": { "keys": ["layer_norm_eps"], "absent": 1e-05 }
        },
        "activation": { "allowed": { "relu": null } },
        "positions": {
          "rotary": {
            "rotatedPart": {
              "keys": ["rope_parameters.partial_rotary_factor", "partial_rotary_factor", "rope_pct"],
              "absent": 0.25
            }
          }
        },
        "order": {
          "keys": [],
          "cases": [
            { "when": [{ "key": "use_parallel_residual", "equals": true }], "value": "parallel" }
          ],
          "absent": "preNorm"
        }
      },
      "tensors": [
        {
          "role": "attentionNorm",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.input_layernorm.bias"
        },
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias",
          "when": { "key": "use_qkv_bias", "equals": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "use_qkv_bias", "equals": true }
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias",
          "when": { "key": "use_qkv_bias", "equals": true }
        },
        {
          "role": "feedForwardNorm",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.bias"
        },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}model.norm.bias" },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "attentionOutput", "isBias": true, "name": null }
      ],
      "ignoredKeys": ["hidden_dropout"],
      "gguf": {
        "architectures": ["stablelm"],
        "rotaryPairs": "halves",
        "decoder": {
          "normalization": {
            "kind": "layer",
            "epsilon": { "keys": ["attention.layer_norm_epsilon"] }
          },
          "activation": { "source": { "keys": [] }, "allowed": { "relu": null } },
          "order": {
            "keys": [],
            "cases": [
              {
                "when": [{ "key": "derived.has.ffn_norm.weight", "equals": true }],
                "value": "preNorm"
              }
            ],
            "absent": "parallel"
          }
        },
        "tensors": [
          { "role": "attentionNorm", "isBias": true, "name": "blk.{layer}.attn_norm.bias" },
          { "role": "query", "isBias": false, "name": "blk.{layer}.attn_q.weight" },
          { "role": "key", "isBias": false, "name": "blk.{layer}.attn_k.weight" },
          { "role": "value", "isBias": false, "name": "blk.{layer}.attn_v.weight" },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
          { "role": "feedForwardNorm", "isBias": true, "name": "blk.{layer}.ffn_norm.bias" },
          { "role": "gate", "isBias": false, "name": "blk.{layer}.ffn_gate.weight" },
          {
            "role": "gate",
            "isBias": true,
            "name": "blk.{layer}.ffn_gate.bias",
            "when": { "key": "derived.has.ffn_gate.bias", "equals": true }
          },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up.weight" },
          {
            "role": "up",
            "isBias": true,
            "name": "blk.{layer}.ffn_up.bias",
            "when": { "key": "derived.has.ffn_up.bias", "equals": true }
          },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down.weight" },
          {
            "role": "down",
            "isBias": true,
            "name": "blk.{layer}.ffn_down.bias",
            "when": { "key": "derived.has.ffn_down.bias", "equals": true }
          },
          { "role": "outputNorm", "isBias": true, "name": "output_norm.bias" }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear", "use_parallel_residual"]
      }
    }

    """#
}
