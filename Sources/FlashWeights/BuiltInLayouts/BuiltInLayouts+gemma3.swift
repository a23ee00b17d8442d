// Made by scripts/embed-layouts from layouts/gemma3.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/gemma3.json`.
  static let gemma3 = #"""
    {
      "name": "gemma3",
      "like": "gemma2",
      "recognizes": [{ "architecture": "Gemma3ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "maximumPositions": { "absent": 131072 },
        "positions": {
          "rotary": {
            "base": {
              "keys": ["rope_parameters.full_attention.rope_theta", "rope_theta"],
              "absent": 1000000
            },
            "rotatedPart": { "keys": [] },
            "scaling": ["rope_parameters.full_attention", "rope_scaling"],
            "local": {
              "base": {
                "keys": ["rope_parameters.sliding_attention.rope_theta", "rope_local_base_freq"],
                "absent": 10000
              },
              "scaling": ["rope_parameters.sliding_attention"]
            }
          }
        },
        "windows": {
          "interval": { "keys": ["sliding_window_pattern", "_sliding_window_pattern"], "absent": 6 }
        },
        "queryKeyNorm": { "keys": [], "absent": "eachHead" },
        "caps": { "attention": { "absent": null }, "logits": { "absent": null } }
      },
      "tensors": [
        {
          "role": "queryNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.q_norm.weight",
          "offset": 1
        },
        {
          "role": "keyNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.self_attn.k_norm.weight",
          "offset": 1
        }
      ],
      "gguf": {
        "architectures": ["gemma3"],
        "decoder": {
          "positions": {
            "rotary": {
              "base": { "absent": 1000000 },
              "local": { "base": { "keys": ["rope.freq_base_swa"], "absent": 10000 }, "scaling": [] }
            }
          },
          "windows": { "length": { "absent": null }, "interval": { "absent": 6 } },
          "queryKeyNorm": { "keys": [], "absent": "eachHead" },
          "scales": {
            "attentionNumber": {
              "cases": [{ "when": [{ "key": "block_count", "equals": 62 }], "value": 168 }]
            }
          },
          "caps": { "logits": { "absent": null }, "attention": null }
        },
        "tensors": [
          { "role": "queryNorm", "isBias": false, "name": "blk.{layer}.attn_q_norm.weight" },
          { "role": "keyNorm", "isBias": false, "name": "blk.{layer}.attn_k_norm.weight" }
        ]
      }
    }

    """#
}
