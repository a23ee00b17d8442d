/// What configurations may say that changes the arithmetic.
extension Layout {
  /// A key of some family, what it says where it changes nothing, and what the decoder would have
  /// to know otherwise. A layout that neither reads a key nor has a requirement for it accepts only
  /// these values.
  private static func part(
    _ key: String, _ part: String, _ neutral: [JSONValue] = [], orSameAs: String? = nil,
    unless: Condition? = nil
  ) -> Requirement {
    Requirement(
      key: key, allowed: [.null] + neutral, orSameAs: orSameAs, unless: unless, part: part)
  }

  /// Keys of `config.json`.
  static let knownParts: [Requirement] = [
    part("quantization_config", "a quantized checkpoint"),
    part("num_local_experts", "a mixture of experts", [.integer(0)]),
    part("num_experts", "a mixture of experts", [.integer(0)]),
    part("n_routed_experts", "a mixture of experts", [.integer(0)]),
    part("kv_lora_rank", "latent attention", [.integer(0)]),
    part(
      "sliding_window", "sliding-window attention", [.integer(0)],
      unless: Condition(key: "use_sliding_window", equals: .bool(false))),
    part("layer_types", "a mixed attention", [.string("full_attention")]),
    part("use_bidirectional_attention", "attention to later positions", [.bool(false)]),
    part("alibi", "ALiBi positions", [.bool(false)]),
    part("block_configs", "a layer without attention"),
    part("attention_bias", "a bias in attention", [.bool(false)]),
    part("mlp_bias", "a bias in the feed-forward part", [.bool(false)]),
    part("bias", "a bias", [.bool(false)]),
    part("use_parallel_residual", "parallel attention", [.bool(false)]),
    part("parallel_attn", "parallel attention", [.bool(false)]),
    part("no_rope_layers", "a layer without RoPE"),
    part("rope_local_base_freq", "RoPE of another base in some layers"),
    part("partial_rotary_factor", "RoPE of a part of a head", [.integer(1), .number(1)]),
    part("rotary_pct", "RoPE of a part of a head", [.integer(1), .number(1)]),
    part("attn_logit_softcapping", "a cap on attention logits"),
    part("final_logit_softcapping", "a cap on logits"),
    part("query_pre_attn_scalar", "another attention scale"),
    part("attention_multiplier", "another attention scale"),
    part("clip_qkv", "clamping of queries, keys and values"),
    part("use_qk_norm", "a norm on queries and keys", [.bool(false)]),
    part("qk_layernorm", "a norm on queries and keys", [.bool(false)]),
    part("embedding_multiplier", "a scaled embedding", [.integer(1), .number(1)]),
    part("scale_emb", "a scaled embedding", [.integer(1), .number(1)]),
    part("residual_multiplier", "a scaled residual", [.integer(1), .number(1)]),
    part("scale_depth", "a scaled residual"),
    part("logits_scaling", "scaled logits", [.integer(1), .number(1)]),
    part("logit_scale", "scaled logits", [.integer(1), .number(1)]),
    part("hidden_act_param", "a thresholded activation"),
    part("thresholds", "a thresholded activation"),
  ]

  private static let scales: [JSONValue] = [.integer(0), .number(0), .integer(1), .number(1)]

  /// Keys of GGUF files, without the architecture before them. Files that llama.cpp saved itself
  /// hold every number it knows: 0 for what a model has not, and caps of logits (50 and 30) that it
  /// applies to no architecture but those whose layouts read them.
  static let knownGGUFParts: [Requirement] = [
    part("expert_count", "a mixture of experts", [.integer(0)]),
    part("expert_weights_scale", "scaled experts", scales),
    part("expert_group_count", "groups of experts", [.integer(0), .integer(1)]),
    part("leading_dense_block_count", "layers without experts", [.integer(0)]),
    part("interleave_moe_layer_step", "layers without experts", [.integer(0), .integer(1)]),
    part("moe_every_n_layers", "layers without experts", [.integer(0), .integer(1)]),
    part("expert_latent_length", "experts of another width", [.integer(0)]),
    part("expert_chunk_feed_forward_length", "chunked experts", [.integer(0)]),
    part(
      "attention.value_length", "a head of values of another length",
      orSameAs: "attention.key_length"),
    part("attention.sliding_window", "sliding-window attention", [.integer(0)]),
    part("attention.clamp_kqv", "clamping of queries and keys", [.integer(0), .number(0)]),
    part("attention.max_alibi_bias", "ALiBi positions", [.integer(0), .number(0)]),
    part("attention.causal", "attention to later positions", [.bool(true)]),
    part("attention.scale", "another attention scale", [.integer(0), .number(0)]),
    part(
      "rope.scaling.attn_factor", "a scaled rotary embedding", scales,
      unless: Condition(key: "derived.scales_rotary", equals: .bool(true))),
    part(
      "rope.scaling.yarn_log_multiplier", "YaRN's scale of attention", [.integer(0), .number(0)]),
    part("use_parallel_residual", "parallel attention", [.bool(false)]),
    part("embedding_scale", "a scaled embedding", scales),
    part("residual_scale", "a scaled residual", scales),
    part("logit_scale", "scaled logits", scales),
  ]
}
