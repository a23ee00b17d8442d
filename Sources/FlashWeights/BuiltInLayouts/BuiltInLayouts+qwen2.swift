// Made by scripts/embed-layouts from layouts/qwen2.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/qwen2.json`.
  static let qwen2 = #"""
    {
      "name": "qwen2",
      "like": "llama",
      "recognizes": [{ "architecture": "Qwen2ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "activation": { "allowed": { "relu": null } },
        "windows": {
          "length": { "keys": ["sliding_window"] },
          "when": { "key": "use_sliding_window", "equals": true },
          "types": { "keys": ["layer_types"] },
          "first": { "keys": ["max_window_layers"] }
        }
      },
      "tensors": [
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias"
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias"
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias"
        },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "attentionOutput", "isBias": true, "name": null }
      ],
      "ignoredKeys": [],
      "gguf": {
        "architectures": ["qwen2"],
        "rotaryPairs": "halves",
        "decoder": { "activation": { "source": { "keys": [] }, "allowed": { "relu": null } } },
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
