// Made by scripts/embed-layouts from layouts/starcoder2.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/starcoder2.json`.
  static let starcoder2 = #"""
    {
      "name": "starcoder2",
      "like": "llama",
      "recognizes": [{ "architecture": "Starcoder2ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "normalization": {
          "kind": "layer",
          "epsilon": { "keys": ["norm_epsilon"], "absent": 1e-05 }
        },
        "activation": {
          "source": { "absent": "gelu_pytorch_tanh" },
          "allowed": {
            "gelu": "gelu",
            "gelu_new": "gelu_tanh",
            "gelu_fast": "gelu_tanh",
            "gelu_pytorch_tanh": "gelu_tanh",
            "silu": null,
            "swish": null,
            "relu": null
          }
        },
        "isGated": false,
        "windows": { "length": { "keys": ["sliding_window"] } },
        "hasTiedHead": { "absent": true }
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
          "when": { "key": "use_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "use_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias",
          "when": { "key": "use_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.bias",
          "when": { "key": "use_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "feedForwardNorm",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.bias"
        },
        { "role": "up", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.c_fc.weight" },
        {
          "role": "up",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.c_fc.bias",
          "when": { "key": "use_bias", "equals": true, "orAbsent": true }
        },
        { "role": "down", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.c_proj.weight" },
        {
          "role": "down",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.c_proj.bias",
          "when": { "key": "use_bias", "equals": true, "orAbsent": true }
        },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}model.norm.bias" },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "gate", "isBias": false, "name": null }
      ],
      "ignoredKeys": ["embedding_dropout", "residual_dropout", "mlp_type", "norm_type"],
      "gguf": {
        "architectures": ["starcoder2"],
        "rotaryPairs": "halves",
        "decoder": {
          "normalization": {
            "kind": "layer",
            "epsilon": { "keys": ["attention.layer_norm_epsilon"] }
          },
          "activation": {
            "source": { "keys": [], "absent": "gelu_tanh" },
            "allowed": { "gelu_tanh": "gelu_tanh", "silu": null, "relu": null }
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
