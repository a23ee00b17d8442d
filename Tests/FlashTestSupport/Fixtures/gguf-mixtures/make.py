"""Writes the GGUF files of this folder: make.py LLAMA_CPP OUT

Makes small random checkpoints in OUT/checkpoints and turns them into OUT/*.gguf with llama.cpp's
convert_hf_to_gguf.py (commit 4227c9b, whose gguf-py must lose the second line of its tensor_mapping
with "block_sparse_moe.gate", which takes Mixtral's router for a gate), without a tokenizer. Needs
torch and transformers. llama.cpp's llama_decode over tokens.i32, all positions in one batch and KV in
F32, then makes *.logits.f32: those of gpt-oss from gpt-oss-plain.gguf, the same values in F32,
because llama.cpp rounds to 8 bits what it multiplies with MXFP4.
"""
import json
import struct
import sys
from pathlib import Path

import numpy as np

WIDTH, HEADS, HEAD, VOCABULARY, LAYERS, EXPERTS, ACTIVE = 32, 2, 16, 64, 2, 4, 2


class Model:
    def __init__(self, seed, architecture, key_heads=1, **config):
        self.random = np.random.default_rng(seed)
        self.tensors = {}
        self.key_heads = key_heads
        self.config = dict(
            architectures=[architecture], hidden_size=WIDTH, num_hidden_layers=LAYERS,
            num_attention_heads=HEADS, num_key_value_heads=key_heads, head_dim=HEAD,
            vocab_size=VOCABULARY, max_position_embeddings=256, rms_norm_eps=1e-5,
            rope_theta=10000.0, hidden_act="silu", tie_word_embeddings=False,
            num_experts_per_tok=ACTIVE) | config

    def matrix(self, name, rows, columns, gain=1.5):
        self.tensors[name] = self.random.standard_normal((rows, columns)) * gain / columns**0.5

    def vector(self, name, *shape, mean=0):
        self.tensors[name] = mean + 0.2 * self.random.standard_normal(shape)

    def attention(self, biases="", norms=False):
        self.matrix("model.embed_tokens.weight", VOCABULARY, WIDTH, gain=WIDTH**0.5)
        self.matrix("lm_head.weight", VOCABULARY, WIDTH, gain=2)
        self.vector("model.norm.weight", WIDTH, mean=1)
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}."
            self.vector(prefix + "input_layernorm.weight", WIDTH, mean=1)
            self.vector(prefix + "post_attention_layernorm.weight", WIDTH, mean=1)
            for part, heads in ("q", HEADS), ("k", self.key_heads), ("v", self.key_heads):
                self.matrix(f"{prefix}self_attn.{part}_proj.weight", heads * HEAD, WIDTH)
                if part in biases:
                    self.vector(f"{prefix}self_attn.{part}_proj.bias", heads * HEAD)
                if norms and part != "v":
                    self.vector(f"{prefix}self_attn.{part}_norm.weight", heads * HEAD, mean=1)
            self.matrix(prefix + "self_attn.o_proj.weight", WIDTH, HEADS * HEAD)
            if "o" in biases:
                self.vector(prefix + "self_attn.o_proj.bias", WIDTH)

    def experts(self, router, names, neurons):
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}."
            self.matrix(prefix + router, EXPERTS, WIDTH, gain=2)
            for expert in range(EXPERTS):
                gate, up, down = (prefix + name.format(expert) for name in names)
                self.matrix(gate, neurons, WIDTH)
                self.matrix(up, neurons, WIDTH)
                self.matrix(down, WIDTH, neurons)

    def shared_expert(self, neurons):
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}.mlp.shared_expert"
            self.matrix(prefix + ".gate_proj.weight", neurons, WIDTH)
            self.matrix(prefix + ".up_proj.weight", neurons, WIDTH)
            self.matrix(prefix + ".down_proj.weight", WIDTH, neurons)
            self.matrix(prefix + "_gate.weight", 1, WIDTH, gain=2)

    def microscaled_experts(self, neurons):
        """MXFP4 as gpt-oss has it. Returns the same experts as plain values."""
        half = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
        values = np.array(half + [-value for value in half], np.float32)
        plain = {}
        for layer in range(LAYERS):
            prefix = f"model.layers.{layer}."
            self.vector(prefix + "self_attn.sinks", HEADS)
            self.matrix(prefix + "mlp.router.weight", EXPERTS, WIDTH, gain=2)
            self.vector(prefix + "mlp.router.bias", EXPERTS)
            parts = ("gate_up_proj", 2 * neurons, WIDTH), ("down_proj", WIDTH, neurons)
            for part, rows, columns in parts:
                name = f"{prefix}mlp.experts.{part}"
                shape = (EXPERTS, rows, columns // 32)
                codes = self.random.integers(0, 16, shape + (32,))
                scales = self.random.integers(122, 126, shape)
                self.vector(name + "_bias", EXPERTS, rows)
                bytes = codes[..., ::2] | codes[..., 1::2] << 4
                self.tensors[name + "_blocks"] = bytes.astype(np.uint8)
                self.tensors[name + "_scales"] = scales.astype(np.uint8)
                full = values[codes] * np.exp2(scales[..., None] - 127.0)
                plain[name] = full.reshape(EXPERTS, rows, columns).transpose(0, 2, 1)
        return plain

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config, indent=2))
        header, data = {}, b""
        for name, values in sorted(self.tensors.items()):
            if values.dtype != np.uint8:
                values = values.astype("<f4")
            header[name] = dict(
                dtype="U8" if values.dtype == np.uint8 else "F32", shape=list(values.shape),
                data_offsets=[len(data), len(data) + values.nbytes])
            data += values.tobytes()
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def models():
    names = [f"block_sparse_moe.experts.{{}}.{part}.weight" for part in ("w1", "w3", "w2")]
    model = Model(1, "MixtralForCausalLM", num_local_experts=EXPERTS, intermediate_size=16)
    model.attention()
    model.experts("block_sparse_moe.gate.weight", names, 16)
    yield "mixtral", model

    names = [f"mlp.experts.{{}}.{part}_proj.weight" for part in ("gate", "up", "down")]
    model = Model(
        2, "Qwen2MoeForCausalLM", num_experts=EXPERTS, intermediate_size=40,
        moe_intermediate_size=12, shared_expert_intermediate_size=20, norm_topk_prob=False)
    model.attention(biases="qkv")
    model.experts("mlp.gate.weight", names, 12)
    model.shared_expert(20)
    yield "qwen2-moe", model

    model = Model(
        3, "OlmoeForCausalLM", key_heads=HEADS, num_experts=EXPERTS, intermediate_size=12,
        norm_topk_prob=False)
    model.attention(norms=True)
    model.experts("mlp.gate.weight", names, 12)
    yield "olmoe", model

    names = [f"block_sparse_moe.experts.{{}}.{part}.weight" for part in ("gate", "up", "down")]
    model = Model(
        4, "SmallThinkerForCausalLM", moe_num_primary_experts=EXPERTS, hidden_act="relu",
        moe_num_active_primary_experts=ACTIVE, moe_ffn_hidden_size=16,
        moe_primary_router_apply_softmax=False, rope_layout=[0, 1],
        sliding_window_layout=[0, 1], sliding_window_size=4096)
    model.attention()
    model.experts("block_sparse_moe.primary_router.weight", names, 16)
    yield "smallthinker", model

    model = Model(
        5, "GptOssForCausalLM", num_local_experts=EXPERTS, intermediate_size=32,
        sliding_window=8, rope_theta=150000.0, swiglu_limit=7.0, rope_scaling=dict(
            rope_type="yarn", factor=32.0, original_max_position_embeddings=4096))
    model.attention(biases="qkvo")
    plain = model.microscaled_experts(32)
    yield "gpt-oss", model
    for name in [name for name in model.tensors if name.endswith(("_blocks", "_scales"))]:
        del model.tensors[name]
    model.tensors |= plain
    yield "gpt-oss-plain", model


def main():
    sys.path.insert(0, sys.argv[1])
    import convert_hf_to_gguf as llama
    import gguf
    import torch

    out = Path(sys.argv[2])
    for name, model in models():
        folder = out / "checkpoints" / name
        model.write(folder)
        converter = llama.ModelBase.from_model_architecture(model.config["architectures"][0])

        def set_vocab(self):
            self.gguf_writer.add_tokenizer_model("no_vocab")
            self.gguf_writer.add_vocab_size(VOCABULARY)

        converter.set_vocab = set_vocab
        with torch.inference_mode():
            converter(
                folder, gguf.LlamaFileType.ALL_F32, out / f"{name}.gguf",
                hparams=dict(model.config)).write()
    tokens = np.random.default_rng(6).integers(0, VOCABULARY, 24)
    (out / "tokens.i32").write_bytes(tokens.astype("<i4").tobytes())


if __name__ == "__main__":
    main()
