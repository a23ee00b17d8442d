// Made by scripts/embed-layouts from layouts/gpt-oss.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/gpt-oss.json`.
  static let gptOss = #"""
    {
      "name": "gpt-oss",
      "like": "mixtral",
      "recognizes": [{ "architecture": "GptOssForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "headDimension": { "absent": 64 },
        "activation": { "allowed": { "silu": "swiglu_oai", "swish": null } },
        "positions": { "rotary": { "base": { "absent": 150000 } } },
        "windows": {
          "length": { "absent": 128 },
          "types": { "keys": ["layer_types"] },
          "interval": { "keys": [], "absent": 2 }
        },
        "hasSinks": true,
        "experts": { "activeCount": { "keys": ["num_experts_per_tok", "experts_per_token"] } }
      },
      "requirements": [
        {
          "key": "swiglu_limit",
          "allowed": [null, 7, 7.0],
          "part": "a clamp of the activation at another value"
        },
        {
          "key": "swiglu_alpha",
          "allowed": [null, 1.702],
          "part": "an activation of another steepness"
        },
        {
          "key": "quantization_config.quant_method",
          "allowed": [null, "mxfp4"],
          "part": "a checkpoint quantized otherwise than to MXFP4"
        }
      ],
      "tensors": [
        { "role": "outputHead", "isBias": false, "name": "lm_head.weight" },
        {
          "role": "query",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.q_proj.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "key",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.k_proj.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "value",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.v_proj.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true }
        },
        {
          "role": "attentionOutput",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.self_attn.o_proj.bias",
          "when": { "key": "attention_bias", "equals": true, "orAbsent": true }
        },
        { "role": "sinks", "isBias": false, "name": "{prefix}model.layers.{layer}.self_attn.sinks" },
        { "role": "router", "isBias": false, "name": "{prefix}model.layers.{layer}.mlp.router.weight" },
        { "role": "router", "isBias": true, "name": "{prefix}model.layers.{layer}.mlp.router.bias" },
        {
          "role": "gate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj",
          "stack": { "roles": ["gate", "up"], "isInterleaved": true, "isTurned": true },
          "orStacked": [
            {
              "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj_blocks",
              "stack": {
                "roles": ["gate", "up"],
                "isInterleaved": true,
                "scales": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj_scales"
              }
            }
          ]
        },
        {
          "role": "gate",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj_bias",
          "stack": { "roles": ["gate", "up"], "isInterleaved": true }
        },
        {
          "role": "up",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj",
          "stack": { "roles": ["gate", "up"], "isInterleaved": true, "isTurned": true },
          "orStacked": [
            {
              "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj_blocks",
              "stack": {
                "roles": ["gate", "up"],
                "isInterleaved": true,
                "scales": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj_scales"
              }
            }
          ]
        },
        {
          "role": "up",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.experts.gate_up_proj_bias",
          "stack": { "roles": ["gate", "up"], "isInterleaved": true }
        },
        {
          "role": "down",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.mlp.experts.down_proj",
          "stack": { "isTurned": true },
          "orStacked": [
            {
              "name": "{prefix}model.layers.{layer}.mlp.experts.down_proj_blocks",
              "stack": { "scales": "{prefix}model.layers.{layer}.mlp.experts.down_proj_scales" }
            }
          ]
        },
        {
          "role": "down",
          "isBias": true,
          "name": "{prefix}model.layers.{layer}.mlp.experts.down_proj_bias"
        }
      ],
      "ignoredKeys": [
        "quantization_config",
        "initial_context_length",
        "output_router_logits",
        "router_aux_loss_coef"
      ],
      "gguf": {
        "architectures": ["gpt-oss"],
        "present": null,
        "rotaryPairs": "halves",
        "decoder": {
          "activation": { "source": { "keys": [] }, "allowed": { "silu": "swiglu_oai" } },
          "windows": {
            "length": { "keys": ["attention.sliding_window"] },
            "interval": { "keys": ["attention.sliding_window_pattern"], "absent": 2 }
          },
          "hasSinks": true,
          "experts": { "width": { "keys": ["expert_feed_forward_length"] } }
        },
        "requirements": [
          {
            "key": "rope.freq_base_swa",
            "allowed": [null],
            "orSameAs": "rope.freq_base",
            "part": "RoPE of another base in some layers"
          }
        ],
        "tensors": [
          {
            "role": "feedForwardNorm",
            "isBias": false,
            "name": "blk.{layer}.post_attention_norm.weight"
          },
          { "role": "sinks", "isBias": false, "name": "blk.{layer}.attn_sinks.weight" },
          { "role": "router", "isBias": true, "name": "blk.{layer}.ffn_gate_inp.bias" },
          { "role": "gate", "isBias": false, "name": "blk.{layer}.ffn_gate_exps.weight" },
          { "role": "gate", "isBias": true, "name": "blk.{layer}.ffn_gate_exps.bias" },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up_exps.weight" },
          { "role": "up", "isBias": true, "name": "blk.{layer}.ffn_up_exps.bias" },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down_exps.weight" },
          { "role": "down", "isBias": true, "name": "blk.{layer}.ffn_down_exps.bias" }
        ],
        "ignoredTensors": [
          "blk.{layer}.attn_q.input_scale",
          "blk.{layer}.attn_k.input_scale",
          "blk.{layer}.attn_v.input_scale",
          "blk.{layer}.attn_output.input_scale"
        ]
      }
    }

    """#
}
