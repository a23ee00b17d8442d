// Made by scripts/embed-layouts from layouts/phi3.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/phi3.json`.
  static let phi3 = #"""
    {
      "name": "phi3",
      "like": "llama",
      "recognizes": [{ "architecture": "Phi3ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "maximumPositions": { "absent": 4096 },
        "normalization": { "epsilon": { "absent": 1e-05 } },
        "activation": { "allowed": { "relu": null } },
        "positions": {
          "rotary": { "originalPositions": { "keys": ["original_max_position_embeddings"] } }
        },
        "windows": { "length": { "keys": ["sliding_window"] } }
      },
      "tensors": [
        {
          "role": "query",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.qkv_proj.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
        },
        {
          "role": "key",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.qkv_proj.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
        },
        {
          "role": "value",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.qkv_proj.weight",
          "fused": { "roles": ["query", "key", "value"], "byKeyValueHead": false }
        },
        {
          "role": "gate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.gate_up_proj.weight",
          "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
        },
        {
          "role": "up",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.gate_up_proj.weight",
          "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
        },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" },
        { "role": "query", "isBias": true, "name": null },
        { "role": "key", "isBias": true, "name": null },
        { "role": "value", "isBias": true, "name": null },
        { "role": "attentionOutput", "isBias": true, "name": null }
      ],
      "ignoredKeys": ["embd_pdrop", "resid_pdrop"],
      "gguf": {
        "architectures": ["phi3"],
        "rotaryPairs": "halves",
        "decoder": {
          "activation": { "source": { "keys": [] }, "allowed": { "relu": null } },
          "windows": { "length": { "keys": ["attention.sliding_window"] } }
        },
        "tensors": [
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
          {
            "role": "gate",
            "isBias": false,
            "name": "blk.{layer}.ffn_up.weight",
            "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
          },
          {
            "role": "up",
            "isBias": false,
            "name": "blk.{layer}.ffn_up.weight",
            "fused": { "roles": ["gate", "up"], "byKeyValueHead": false }
          },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down.weight" },
          {
            "role": "down",
            "isBias": true,
            "name": "blk.{layer}.ffn_down.bias",
            "when": { "key": "derived.has.ffn_down.bias", "equals": true }
          },
          { "role": "gate", "isBias": true, "name": null },
          { "role": "up", "isBias": true, "name": null }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["rope.scale_linear"]
      }
    }

    """#
}
