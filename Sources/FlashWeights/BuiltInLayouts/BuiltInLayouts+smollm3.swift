// Made by scripts/embed-layouts from layouts/smollm3.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/smollm3.json`.
  static let smollm3 = #"""
    {
      "name": "smollm3",
      "like": "llama",
      "recognizes": [{ "architecture": "SmolLM3ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "activation": { "allowed": { "relu": null } },
        "positions": {
          "rotary": {
            "base": { "absent": 2000000 },
            "layers": { "keys": ["no_rope_layers"] },
            "interval": { "keys": ["no_rope_layer_interval"], "absent": 4 }
          }
        },
        "windows": {
          "length": { "keys": ["sliding_window"] },
          "when": { "key": "use_sliding_window", "equals": true },
          "types": { "keys": ["layer_types"] }
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
      "gguf": {
        "architectures": ["smollm3"],
        "decoder": {
          "activation": { "source": { "keys": [] }, "allowed": { "relu": null } },
          "positions": {
            "rotary": { "base": { "absent": 2000000 }, "interval": { "keys": [], "absent": 4 } }
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
