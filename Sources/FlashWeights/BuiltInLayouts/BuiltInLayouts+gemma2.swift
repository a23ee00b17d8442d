// Made by scripts/embed-layouts from layouts/gemma2.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/gemma2.json`.
  static let gemma2 = #"""
    {
      "name": "gemma2",
      "like": "gemma",
      "recognizes": [{ "architecture": "Gemma2ForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "windows": {
          "length": { "keys": ["sliding_window"], "absent": 4096 },
          "types": { "keys": ["layer_types"] },
          "interval": { "keys": [], "absent": 2 }
        },
        "order": { "keys": [], "absent": "bothNorms" },
        "scales": { "attentionNumber": { "keys": ["query_pre_attn_scalar"], "absent": 256 } },
        "caps": {
          "attention": { "keys": ["attn_logit_softcapping"], "absent": 50 },
          "logits": { "keys": ["final_logit_softcapping"], "absent": 30 }
        }
      },
      "tensors": [
        {
          "role": "attentionOutputNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_attention_layernorm.weight",
          "offset": 1
        },
        {
          "role": "feedForwardNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.pre_feedforward_layernorm.weight",
          "offset": 1
        },
        {
          "role": "feedForwardOutputNorm",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.post_feedforward_layernorm.weight",
          "offset": 1
        }
      ],
      "gguf": {
        "architectures": ["gemma2"],
        "decoder": {
          "windows": {
            "length": { "keys": ["attention.sliding_window"], "absent": 4096 },
            "interval": { "keys": [], "absent": 2 }
          },
          "order": { "keys": [], "absent": "bothNorms" },
          "scales": {
            "attentionNumber": {
              "keys": ["attention.key_length"],
              "cases": [{ "when": [{ "key": "block_count", "equals": 46 }], "value": 144 }]
            }
          },
          "caps": {
            "attention": { "keys": ["attn_logit_softcapping"], "absent": 50 },
            "logits": { "keys": ["final_logit_softcapping"], "absent": 30 }
          }
        },
        "tensors": [
          {
            "role": "attentionOutputNorm",
            "isBias": false,
            "name": "blk.{layer}.post_attention_norm.weight"
          },
          {
            "role": "feedForwardOutputNorm",
            "isBias": false,
            "name": "blk.{layer}.post_ffw_norm.weight"
          }
        ]
      }
    }

    """#
}
