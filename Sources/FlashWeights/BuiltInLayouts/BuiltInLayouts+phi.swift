// Made by scripts/embed-layouts from layouts/phi.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/phi.json`.
  static let phi = #"""
    {
      "name": "phi",
      "like": "llama",
      "recognizes": [{ "architecture": "PhiForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "normalization": {
          "kind": "layer",
          "epsilon": { "keys": ["layer_norm_eps"], "absent": 1e-05 }
        },
        "activation": {
          "source": { "absent": "gelu_new" },
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
        "positions": { "rotary": { "rotatedPart": { "absent": 0.5 } } },
        "order": { "keys": [], "absent": "parallel" }
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
        {
          "role": "attentionOutput",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.dense.weight"
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.dense.bias"
        },
        { "role": "up", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.fc1.weight" },
        { "role": "up", "isBias": true, "name": "{prefix}model.layers.{layer}.mlp.fc1.bias" },
        { "role": "down", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.fc2.weight" },
        { "role": "down", "isBias": true, "name": "{prefix}model.layers.{layer}.mlp.fc2.bias" },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.final_layernorm.weight" },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}model.final_layernorm.bias" },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "outputHead", "isBias": true, "name": "{prefix}lm_head.bias" },
        { "role": "feedForwardNorm", "isBias": false, "name": null },
        { "role": "gate", "isBias": false, "name": null }
      ],
      "ignoredKeys": ["embd_pdrop", "resid_pdrop"],
      "gguf": {
        "architectures": ["phi2"],
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
          "isGated": false,
          "order": { "keys": [], "absent": "parallel" }
        },
        "tensors": [
          { "role": "attentionNorm", "isBias": true, "name": "blk.{layer}.attn_norm.bias" },
          {
            "role": "query",
            "isBias": false,
            "name": "blk.{layer}.attn_qkv.weight",
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "query",
            "isBias": true,
            "name": "blk.{layer}.attn_qkv.bias",
            "when": { "key": "derived.has.attn_qkv.bias", "equals": true },
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "key",
            "isBias": false,
            "name": "blk.{layer}.attn_qkv.weight",
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "key",
            "isBias": true,
            "name": "blk.{layer}.attn_qkv.bias",
            "when": { "key": "derived.has.attn_qkv.bias", "equals": true },
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "value",
            "isBias": false,
            "name": "blk.{layer}.attn_qkv.weight",
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          {
            "role": "value",
            "isBias": true,
            "name": "blk.{layer}.attn_qkv.bias",
            "when": { "key": "derived.has.attn_qkv.bias", "equals": true },
            "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
          },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
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
          { "role": "outputHead", "isBias": true, "name": "output.bias" },
          { "role": "feedForwardNorm", "isBias": false, "name": null },
          { "role": "gate", "isBias": false, "name": null },
          { "role": "gate", "isBias": true, "name": null }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear"]
      }
    }

    """#
}
