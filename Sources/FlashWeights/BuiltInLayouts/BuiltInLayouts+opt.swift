// Made by scripts/embed-layouts from layouts/opt.json; edit that and run it again.

extension BuiltInLayouts {
  /// `layouts/opt.json`.
  static let opt = #"""
    {
      "name": "opt",
      "recognizes": [
        { "architecture": "OPTForCausalLM", "present": [], "absent": [] }
      ],
      "decoder": {
        "width": { "keys": ["hidden_size"] },
        "vocabularySize": { "keys": ["vocab_size"] },
        "layerCount": { "keys": ["num_hidden_layers"] },
        "maximumPositions": { "keys": ["max_position_embeddings"] },
        "queryHeads": { "keys": ["num_attention_heads"] },
        "keyValueHeads": { "keys": ["num_attention_heads"] },
        "feedForwardWidth": { "keys": ["ffn_dim"] },
        "normalization": { "kind": "layer", "epsilon": { "keys": [], "absent": 1e-5 } },
        "activation": {
          "source": { "keys": ["activation_function"], "absent": "relu" },
          "allowed": { "relu": "relu" }
        },
        "isGated": false,
        "positions": { "learned": { "offset": 2 } },
        "hasTiedHead": { "keys": ["tie_word_embeddings"], "absent": true },
        "beginToken": { "keys": ["bos_token_id"] },
        "endTokens": { "keys": ["eos_token_id"] }
      },
      "requirements": [
        {
          "key": "do_layer_norm_before",
          "allowed": [null, true],
          "part": "a norm after each part (post-LN)"
        },
        {
          "key": "word_embed_proj_dim",
          "allowed": [null],
          "orSameAs": "hidden_size",
          "part": "a projection between embedding and layers (project_in, project_out)"
        },
        { "key": "_remove_final_layer_norm", "allowed": [null, false], "part": "no final norm" },
        { "key": "enable_bias", "allowed": [null, true], "part": "a linear map without bias" },
        {
          "key": "layer_norm_elementwise_affine",
          "allowed": [null, true],
          "part": "a norm without weights"
        },
        { "key": "quantization_config", "allowed": [null], "part": "a quantized checkpoint" }
      ],
      "prefixes": ["model.", ""],
      "tensors": [
        {
          "role": "tokenEmbedding", "isBias": false,
          "name": "{prefix}decoder.embed_tokens.weight"
        },
        {
          "role": "positionEmbedding", "isBias": false,
          "name": "{prefix}decoder.embed_positions.weight"
        },
        {
          "role": "attentionNorm", "isBias": false,
          "name": "{prefix}decoder.layers.{layer}.self_attn_layer_norm.weight"
        },
        {
          "role": "attentionNorm", "isBias": true,
          "name": "{prefix}decoder.layers.{layer}.self_attn_layer_norm.bias"
        },
        {
          "role": "query", "isBias": false,
          "name": "{prefix}decoder.layers.{layer}.self_attn.q_proj.weight"
        },
        {
          "role": "query", "isBias": true,
          "name": "{prefix}decoder.layers.{layer}.self_attn.q_proj.bias"
        },
        {
          "role": "key", "isBias": false,
          "name": "{prefix}decoder.layers.{layer}.self_attn.k_proj.weight"
        },
        {
          "role": "key", "isBias": true,
          "name": "{prefix}decoder.layers.{layer}.self_attn.k_proj.bias"
        },
        {
          "role": "value", "isBias": false,
          "name": "{prefix}decoder.layers.{layer}.self_attn.v_proj.weight"
        },
        {
          "role": "value", "isBias": true,
          "name": "{prefix}decoder.layers.{layer}.self_attn.v_proj.bias"
        },
        {
          "role": "attentionOutput", "isBias": false,
          "name": "{prefix}decoder.layers.{layer}.self_attn.out_proj.weight"
        },
        {
          "role": "attentionOutput", "isBias": true,
          "name": "{prefix}decoder.layers.{layer}.self_attn.out_proj.bias"
        },
        {
          "role": "feedForwardNorm", "isBias": false,
          "name": "{prefix}decoder.layers.{layer}.final_layer_norm.weight"
        },
        {
          "role": "feedForwardNorm", "isBias": true,
          "name": "{prefix}decoder.layers.{layer}.final_layer_norm.bias"
        },
        { "role": "up", "isBias": false, "name": "{prefix}decoder.layers.{layer}.fc1.weight" },
        { "role": "up", "isBias": true, "name": "{prefix}decoder.layers.{layer}.fc1.bias" },
        { "role": "down", "isBias": false, "name": "{prefix}decoder.layers.{layer}.fc2.weight" },
        { "role": "down", "isBias": true, "name": "{prefix}decoder.layers.{layer}.fc2.bias" },
        {
          "role": "outputNorm", "isBias": false,
          "name": "{prefix}decoder.final_layer_norm.weight"
        },
        { "role": "outputNorm", "isBias": true, "name": "{prefix}decoder.final_layer_norm.bias" },
        { "role": "outputHead", "isBias": false, "name": "lm_head.weight" }
      ],
      "ignoredTensors": [],
      "ignoredKeys": ["dropout", "activation_dropout", "layerdrop", "init_std", "prefix"],
      "gguf": {
        "architectures": ["opt"],
        "rotaryPairs": "halves",
        "decoder": {
          "width": { "keys": ["embedding_length"] },
          "vocabularySize": { "keys": ["vocab_size", "derived.vocabulary"] },
          "layerCount": { "keys": ["block_count"] },
          "maximumPositions": { "keys": ["derived.learned_positions"] },
          "queryHeads": { "keys": ["attention.head_count"] },
          "keyValueHeads": { "keys": ["attention.head_count_kv", "attention.head_count"] },
          "feedForwardWidth": { "keys": ["feed_forward_length"] },
          "normalization": {
            "kind": "layer",
            "epsilon": { "keys": ["attention.layer_norm_epsilon"], "absent": 1e-5 }
          },
          "activation": { "source": { "keys": [], "absent": "relu" }, "allowed": { "relu": "relu" } },
          "isGated": false,
          "positions": { "learned": { "offset": 2 } },
          "hasTiedHead": { "keys": ["derived.tied_head"] },
          "beginToken": { "keys": ["tokenizer.ggml.bos_token_id"] },
          "endTokens": { "keys": ["derived.end_tokens"] }
        },
        "requirements": [],
        "tensors": [
          { "role": "tokenEmbedding", "isBias": false, "name": "token_embd.weight" },
          { "role": "positionEmbedding", "isBias": false, "name": "position_embd.weight" },
          { "role": "attentionNorm", "isBias": false, "name": "blk.{layer}.attn_norm.weight" },
          { "role": "attentionNorm", "isBias": true, "name": "blk.{layer}.attn_norm.bias" },
          { "role": "query", "isBias": false, "name": "blk.{layer}.attn_q.weight" },
          { "role": "query", "isBias": true, "name": "blk.{layer}.attn_q.bias" },
          { "role": "key", "isBias": false, "name": "blk.{layer}.attn_k.weight" },
          { "role": "key", "isBias": true, "name": "blk.{layer}.attn_k.bias" },
          { "role": "value", "isBias": false, "name": "blk.{layer}.attn_v.weight" },
          { "role": "value", "isBias": true, "name": "blk.{layer}.attn_v.bias" },
          { "role": "attentionOutput", "isBias": false, "name": "blk.{layer}.attn_output.weight" },
          { "role": "attentionOutput", "isBias": true, "name": "blk.{layer}.attn_output.bias" },
          { "role": "feedForwardNorm", "isBias": false, "name": "blk.{layer}.ffn_norm.weight" },
          { "role": "feedForwardNorm", "isBias": true, "name": "blk.{layer}.ffn_norm.bias" },
          { "role": "up", "isBias": false, "name": "blk.{layer}.ffn_up.weight" },
          { "role": "up", "isBias": true, "name": "blk.{layer}.ffn_up.bias" },
          { "role": "down", "isBias": false, "name": "blk.{layer}.ffn_down.weight" },
          { "role": "down", "isBias": true, "name": "blk.{layer}.ffn_down.bias" },
          { "role": "outputNorm", "isBias": false, "name": "output_norm.weight" },
          { "role": "outputNorm", "isBias": true, "name": "output_norm.bias" },
          { "role": "outputHead", "isBias": false, "name": "output.weight" }
        ],
        "ignoredTensors": [],
        "ignoredKeys": ["context_length"]
      }
    }

    """#
}
