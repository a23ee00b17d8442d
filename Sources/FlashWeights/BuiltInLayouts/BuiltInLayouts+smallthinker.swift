// Made by scripts/embed-layouts from layouts/smallthinker.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/smallthinker.json`.
  static let smallthinker = #"""
    {
      "name": "smallthinker",
      "like": "llama",
      "recognizes": [
        { "architecture": "SmallThinkerForCausalLM", "present": [], "absent": [] },
        { "architecture": "SmallthinkerForCausalLM", "present": [], "absent": [] }
      ],
      "decoder": {
        "activation": {
          "source": { "keys": ["hidden_act"], "absent": "relu" },
          "allowed": { "silu": null, "swish": null, "relu": "relu" }
        },
        "feedForwardWidth": { "keys": ["moe_ffn_hidden_size"] },
        "positions": {
          "rotary": { "base": { "absent": 1000000 }, "layers": { "keys": ["rope_layout"] } }
        },
        "windows": {
          "length": { "keys": ["sliding_window_size"] },
          "types": { "keys": ["sliding_window_layout"] }
        },
        "experts": {
          "count": { "keys": ["moe_num_primary_experts"] },
          "activeCount": { "keys": ["moe_num_active_primary_experts"] },
          "width": { "keys": ["moe_ffn_hidden_size"] },
          "scoring": {
            "keys": [],
            "cases": [
              {
                "when": [{ "key": "moe_primary_router_apply_softmax", "equals": true }],
                "value": "softmax"
              }
            ],
            "absent": "sigmoid"
          },
          "isNormalized": { "keys": [], "absent": true },
          "readsLayerInput": true
        }
      },
      "requirements": [
        {
          "key": "moe_enable_early_router",
          "allowed": [null, true],
          "part": "a router after attention"
        },
        {
          "key": "moe_enable_secondary_experts",
          "allowed": [null, false],
          "part": "a second kind of experts"
        },
        { "key": "moe_shared_primary_experts", "allowed": [null, 0], "part": "a shared expert" },
        { "key": "moe_layer_layout", "allowed": [null, 1], "part": "a layer without experts" }
      ],
      "tensors": [
        { "role": "query", "isBias": true, "name": null },
        { "role": "key", "isBias": true, "name": null },
        { "role": "value", "isBias": true, "name": null },
        { "role": "attentionOutput", "isBias": true, "name": null },
        {
          "role": "router",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.primary_router.weight"
        },
        {
          "role": "gate",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.gate.weight"
        },
        {
          "role": "up",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.up.weight"
        },
        {
          "role": "down",
          "isBias": false,
          "name": "{prefix}model.layers.{layer}.block_sparse_moe.experts.{expert}.down.weight"
        }
      ],
      "ignoredKeys": [
        "max_window_layers",
        "model_name",
        "dense_ffn_hidden_size",
        "moe_num_secondary_experts",
        "moe_secondary_expert_size",
        "profile_sparsity",
        "moe_primary_router_apply_softmax"
      ],
      "gguf": {
        "architectures": ["smallthinker"],
        "absent": null,
        "rotaryPairs": "halves",
        "decoder": {
          "activation": {
            "source": { "keys": [], "absent": "relu" },
            "allowed": { "silu": null, "relu": "relu" }
          },
          "feedForwardWidth": { "keys": ["expert_feed_forward_length"] },
          "positions": { "rotary": { "layers": { "keys": ["derived.windowed_layers"] } } },
          "windows": {
            "length": {
              "keys": [],
              "cases": [
                {
                  "when": [{ "key": "attention.sliding_window", "equals": 0, "orAbsent": true }],
                  "value": 0
                }
              ],
              "absent": 4096
            },
            "types": { "keys": ["derived.windowed_layers"] }
          },
          "experts": {
            "count": { "keys": ["expert_count"] },
            "activeCount": { "keys": ["expert_used_count"] },
            "width": { "keys": ["expert_feed_forward_length"] },
            "scoring": {
              "keys": [],
              "cases": [{ "when": [{ "key": "expert_gating_func", "equals": 1 }], "value": "softmax" }],
              "absent": "sigmoid"
            },
            "isNormalized": { "keys": [], "absent": true },
            "readsLayerInput": true
          }
        },
        "requirements": [
          { "key": "expert_gating_func", "allowed": [1, 2], "part": "another scoring of experts" },
          {
            "key": "attention.sliding_window_pattern",
            "allowed": [null, 0, 4],
            "part": "another order of windows"
          },
          {
            "key": "rope.freq_base_swa",
            "allowed": [null],
            "orSameAs": "rope.freq_base",
            "part": "RoPE of another base in some layers"
          }
        ],
        "tensors": [
          { "role": "router", "isBias": false, "name": "blk.{layer}.ffn_gate_inp.weight" },
          { "role": "gate", "isBias": false, "name": "blk.{layer}.ffn_gate_exps.weight" },
          { "role": "gate", "isBias": true, "name": null },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up_exps.weight" },
          { "role": "up", "isBias": true, "name": null },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down_exps.weight" },
          { "role": "down", "isBias": true, "name": null }
        ],
        "ignoredKeys": ["attention.sliding_window", "attention.causal", "rope.scale_linear"]
      }
    }

    """#
}
