// Made by scripts/embed-layouts from layouts/gemma.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/gemma.json`.
  static let gemma = #"""
    {
      "name": "gemma",
      "like": "llama",
      "recognizes": [{ "architecture": "GemmaForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "maximumPositions": { "absent": 8192 },
        "activation": {
          "source": { "keys": ["hidden_activation", "hidden_act"], "absent": "gelu_pytorch_tanh" },
          "allowed": {
            "gelu": "gelu_tanh",
            "gelu_pytorch_tanh": "gelu_tanh",
            "silu": null,
            "swish": null,
            "relu": null
          }
        },
        "scales": { "embeddingRootType": { "keys": ["dtype", "torch_dtype"], "absent": "float32" } },
        "hasTiedHead": { "absent": true }
      },
      "tensors": [
        {
          "role": "attentionNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.input_layernorm.weight",
          "offset": 1
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight",
          "offset": 1
        },
        { "role": "outputNorm", "isBias": false, "name": "{prefix}model.norm.weight", "offset": 1 },
        { "role": "outputHead", "isBias": false, "name": "{prefix}lm_head.weight" }
      ],
      "ignoredKeys": ["hidden_act"],
      "gguf": {
        "architectures": ["gemma"],
        "rotaryPairs": "halves",
        "decoder": {
          "activation": {
            "source": { "keys": [], "absent": "gelu_tanh" },
            "allowed": { "gelu_tanh": "gelu_tanh", "silu": null, "relu": null }
          },
          "scales": { "embeddingRootType": { "keys": [], "absent": "float32" } }
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
