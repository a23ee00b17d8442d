// Made by scripts/embed-layouts from layouts/deci.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/deci.json`.
  static let deci = #"""
    {
      "name": "deci",
      "like": "llama",
      "recognizes": [
        {
          "architecture": "DeciLMForCausalLM",
          "present": ["num_key_value_heads_per_layer"],
          "absent": ["block_configs"]
        },
        {
          "architecture": "LlamaForCausalLM",
          "present": ["num_key_value_heads_per_layer"],
          "absent": ["block_configs"]
        },
        { "architecture": "DeciCoderForCausalLM", "present": [], "absent": ["block_configs"] }
      ],
      "decoder": {
        "maximumPositions": { "absent": null },
        "keyValueHeads": {
          "keys": ["num_key_value_heads_per_layer", "num_key_value_heads", "num_attention_heads"]
        }
      },
      "ignoredKeys": [
        "naive_attention_prefill",
        "naive_attention_decode_batched",
        "naive_attention_decode_single"
      ],
      "gguf": {
        "architectures": ["deci"],
        "decoder": {
          "activation": { "source": { "keys": [] }, "allowed": { "relu": null } },
          "hasLinearAttentionWithoutKeys": true
        },
        "tensors": [
          { "role": "linearAttention", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
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
        "ignoredTensors": [
          "rope_freqs.weight",
          "blk.{layer}.attn_q.input_scale",
          "blk.{layer}.attn_k.input_scale",
          "blk.{layer}.attn_v.input_scale",
          "blk.{layer}.attn_output.input_scale",
          "blk.{layer}.ffn_gate.input_scale",
          "blk.{layer}.ffn_up.input_scale",
          "blk.{layer}.ffn_down.input_scale",
          "blk.{layer}.ffn_gate.scale",
          "blk.{layer}.ffn_up.scale",
          "blk.{layer}.ffn_down.scale"
        ]
      }
    }

    """#
}
