// Made by scripts/embed-layouts from layouts/nemotron.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/nemotron.json`.
  static let nemotron = #"""
    {
      "name": "nemotron",
      "like": "llama",
      "recognizes": [{ "architecture": "NemotronForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "maximumPositions": { "absent": 4096 },
        "normalization": { "kind": "layer", "epsilon": { "keys": ["norm_eps"], "absent": 1e-05 } },
        "activation": {
          "source": { "absent": "relu2" },
          "allowed": { "relu2": "relu2", "silu": null, "swish": null, "relu": null }
        },
        "isGated": false,
        "positions": { "rotary": { "rotatedPart": { "absent": 0.5 } } }
      },
      "tensors": [
        {
          "role": "attentionNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.input_layernorm.weight",
          "offset": 1
        },
        {
          "role": "attentionNorm",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.input_layernorm.bias"
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight",
          "offset": 1
        },
        {
          "role": "feedForwardNorm",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.bias"
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
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.norm.weight", "offset": 1 },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}model.norm.bias" },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "gate", "isBias": false, "name": null }
      ],
      "ignoredKeys": [],
      "gguf": {
        "architectures": ["nemotron"],
        "rotaryPairs": "halves",
        "decoder": {
          "normalization": {
            "kind": "layer",
            "epsilon": { "keys": ["attention.layer_norm_epsilon"] }
          },
          "activation": {
            "source": { "keys": [], "absent": "relu2" },
            "allowed": { "relu2": "relu2", "silu": null, "relu": null }
          },
          "isGated": false
        },
        "tensors": [
          { "role": "attentionNorm", "isBias": true, "name": "blk.{layer}.attn_norm.bias" },
          { "role": "query", "isBias": false, "name": "blk.{layer}.attn_q.weight" },
          { "role": "key", "isBias": false, "name": "blk.{layer}.attn_k.weight" },
          { "role": "value", "isBias": false, "name": "blk.{layer}.attn_v.weight" },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
          { "role": "feedForwardNorm", "isBias": true, "name": "blk.{layer}.ffn_norm.bias" },
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
          { "role": "outputNorm", "isBias": true, "name": "output_norm.bias" },
          { "role": "gate", "isBias": false, "name": null },
          { "role": "gate", "isBias": true, "name": null }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear"]
      }
    }

    """#
}
