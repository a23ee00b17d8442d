// Made by scripts/embed-layouts from layouts/granite.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/granite.json`.
  static let granite = #"""
    {
      "name": "granite",
      "like": "llama",
      "recognizes": [{ "architecture": "GraniteForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "activation": { "allowed": { "relu": null } },
        "scales": {
          "embedding": { "keys": ["embedding_multiplier"] },
          "residual": { "keys": ["residual_multiplier"] },
          "attention": { "keys": ["attention_multiplier"], "absent": 1 },
          "logitDivisor": { "keys": ["logits_scaling"] }
        }
      },
      "tensors": [
        {
          "role": "gate",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.gate_proj.bias",
          "when": { "key": "mlp_bias", "equals": true }
        },
        {
          "role": "up",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.up_proj.bias",
          "when": { "key": "mlp_bias", "equals": true }
        },
        {
          "role": "down",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.down_proj.bias",
          "when": { "key": "mlp_bias", "equals": true }
        },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }
      ],
      "ignoredKeys": [],
      "gguf": {
        "architectures": ["granite"],
        "decoder": {
          "activation": { "source": { "keys": [] }, "allowed": { "relu": null } },
          "scales": {
            "embedding": { "keys": ["embedding_scale"] },
            "residual": { "keys": ["residual_scale"] },
            "attention": { "keys": ["attention.scale"] },
            "logitDivisor": { "keys": ["logit_scale"] }
          }
        },
        "tensors": [
          { "role": "query", "isBias": false, "name": "blk.{layer}.attn_q.weight" },
          { "role": "key", "isBias": false, "name": "blk.{layer}.attn_k.weight" },
          { "role": "value", "isBias": false, "name": "blk.{layer}.attn_v.weight" },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
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
          }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear"]
      }
    }

    """#
}
