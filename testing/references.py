"""Reference encoders of the families whose code sentence-transformers would load from the hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaModel

Encoder = Callable[[list[int]], Tensor]
"""Computes hidden states, float32 [1, tokens, hidden], from token ids."""


def bidirectional_llama(folder: Path) -> Encoder:
    """Return plain Llama with a mask that hides nothing, as in NVIDIA's code."""
    settings = json.loads((folder / "config.json").read_text())
    for name in ("model_type", "auto_map", "architectures"):
        settings.pop(name)
    model = LlamaModel.from_pretrained(
        folder, config=LlamaConfig(**settings), dtype=torch.float32, attn_implementation="eager"
    )

    def encode(ids: list[int]) -> Tensor:
        mask = torch.zeros(1, 1, len(ids), len(ids))
        return model(torch.tensor([ids]), attention_mask=mask).last_hidden_state

    return encode


def nomic(folder: Path) -> Encoder:
    """Return NomicBERT as Nomic's own code computes it, from the official tensors and settings."""
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    heads, size = config["n_head"], config["n_embd"] // config["n_head"]

    def norm(states: Tensor, name: str) -> Tensor:
        gain, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return functional.layer_norm(states, gain.shape, gain, bias, config["layer_norm_epsilon"])

    def rotate(states: Tensor) -> Tensor:
        """Rotate [heads, tokens, size]: the first half of the components with the second."""
        power = torch.arange(0, size, 2) / size
        angle = torch.outer(torch.arange(states.shape[1]), config["rotary_emb_base"] ** -power)
        first, second = states.chunk(2, -1)
        return torch.cat(
            [
                first * angle.cos() - second * angle.sin(),
                second * angle.cos() + first * angle.sin(),
            ],
            -1,
        )

    def encode(ids: list[int]) -> Tensor:
        states = weights["embeddings.word_embeddings.weight"][ids]
        states = norm(states + weights["embeddings.token_type_embeddings.weight"][0], "emb_ln")
        for index in range(config["n_layer"]):
            layer = f"encoder.layers.{index}"
            qkv = states @ weights[f"{layer}.attn.Wqkv.weight"].T
            query, key, value = qkv.unflatten(-1, (3, heads, size)).permute(1, 2, 0, 3)
            scores = rotate(query) @ rotate(key).transpose(1, 2) / size**0.5
            attended = (scores.softmax(-1) @ value).transpose(0, 1).flatten(1)
            attended = attended @ weights[f"{layer}.attn.out_proj.weight"].T
            states = norm(states + attended, f"{layer}.norm1")
            up, gate = (
                states @ weights[f"{layer}.mlp.{name}.weight"].T for name in ("fc11", "fc12")
            )
            mixed = up * functional.silu(gate) @ weights[f"{layer}.mlp.fc2.weight"].T
            states = norm(states + mixed, f"{layer}.norm2")
        return states[None]

    return encode
