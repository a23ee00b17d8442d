// Made by scripts/embed-layouts from layouts/olmoe.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/olmoe.json`.
  static let olmoe = #"""
    {
      "name": "olmoe",
      "like": "qwen3-moe",
      "recognizes": [{ "architecture": "OlmoeForCausalLM", "present": [], "absent": [] }],
      "decoder": {
        "normalization": { "epsilon": { "absent": 1e-05 } },
        "queryKeyNorm": { "absent": "allHeads" },
        "experts": {
          "width": { "keys": ["intermediate_size"] },
          "interval": null,
          "denseLayers": null
        },
        "windows": null
      },
      "tensors": [
        { "role": "sharedGate", "isBias": false, "name": null },
        { "role": "sharedUp", "isBias": false, "name": null },
        { "role": "sharedDown", "isBias": false, "name": null }
      ],
      "ignoredKeys": ["output_router_logits", "router_aux_loss_coef"],
      "gguf": {
        "architectures": ["olmoe"],
        "decoder": {
          "positions": { "rotary": { "base": { "absent": 10000 } } },
          "queryKeyNorm": { "absent": "allHeads" },
          "experts": {
            "width": { "keys": ["feed_forward_length"] },
            "isNormalized": { "absent": false }
          }
        },
        "tensors": [
          { "role": "query", "isBias": false, "name": "blk.{layer}.attn_q.weight" },
          { "role": "key", "isBias": false, "name": "blk.{layer}.attn_k.weight" },
          { "role": "value", "isBias": false, "name": "blk.{layer}.attn_v.weight" },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
          { "role": "gate", "isBias": false, "name": "blk.{layer}.ffn_gate_exps.weight" },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up_exps.weight" },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down_exps.weight" }
        ],
        "ignoredTensors": []
      }
    }

    """#
}
