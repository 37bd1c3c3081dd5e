"""Checkpoints of two architectures whose weights follow a formula, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from testing.checkpoints import PACKAGE, write_json

HIDDEN = 16
INNER = 32
HEADS = 4
LAYERS = 1
POSITIONS = 64
MAX_TOKENS = 24
"""The limit of a text in the checkpoint's files, in tokens."""

CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "type_vocab_size": 2,
    },
    "mistral": {
        "architectures": ["MistralModel"],
        "model_type": "mistral",
        "hidden_act": "silu",
        "num_key_value_heads": HEADS,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
    },
}
"""``config.json`` of each architecture, without the sizes that both share."""

Shape = tuple[int, ...]


def write_checkpoint(folder: Path, architecture: str, vocab_size: int) -> None:
    """Write a checkpoint in the layout of sentence-transformers, without a tokenizer.

    BERT is pooled by the mean and Mistral by its last token; both end with Normalize.

    Args:
        folder: The checkpoint's folder; created.
        architecture: A key of `CONFIGS`.
        vocab_size: Rows of the token table.
    """
    sizes = {
        "vocab_size": vocab_size,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "max_position_embeddings": POSITIONS,
        "torch_dtype": "float32",
    }
    write_json(folder / "config.json", {**CONFIGS[architecture], **sizes})
    shapes = _bert(vocab_size) if architecture == "bert" else _mistral(vocab_size)
    random = np.random.default_rng(7)
    weights = {name: _values(random, name, shape) for name, shape in shapes}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": HIDDEN,
            "pooling_mode_mean_tokens": architecture == "bert",
            "pooling_mode_lasttoken": architecture == "mistral",
        },
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS})
    modules = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"{PACKAGE}.{kind}"}
            for index, (path, kind) in enumerate(modules)
        ],
    )


def _values(random: np.random.Generator, name: str, shape: Shape) -> NDArray[np.float32]:
    """Return normal weights; gains of norms are near 1, so that the signal survives."""
    values = 0.3 * random.standard_normal(shape)
    is_gain = len(shape) == 1 and name.endswith("weight")
    return (1 + 0.1 * values if is_gain else values).astype(np.float32)


def _bert(vocab_size: int) -> Iterator[tuple[str, Shape]]:
    for table, rows in (("word", vocab_size), ("position", POSITIONS), ("token_type", 2)):
        yield f"embeddings.{table}_embeddings.weight", (rows, HIDDEN)
    yield from _norm("embeddings.LayerNorm")
    for index in range(LAYERS):
        layer = f"encoder.layer.{index}"
        for name in ("query", "key", "value"):
            yield from _linear(f"{layer}.attention.self.{name}", HIDDEN, HIDDEN)
        yield from _linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        yield from _norm(f"{layer}.attention.output.LayerNorm")
        yield from _linear(f"{layer}.intermediate.dense", INNER, HIDDEN)
        yield from _linear(f"{layer}.output.dense", HIDDEN, INNER)
        yield from _norm(f"{layer}.output.LayerNorm")


def _mistral(vocab_size: int) -> Iterator[tuple[str, Shape]]:
    yield "embed_tokens.weight", (vocab_size, HIDDEN)
    for index in range(LAYERS):
        layer = f"layers.{index}"
        for name in ("q", "k", "v", "o"):
            yield f"{layer}.self_attn.{name}_proj.weight", (HIDDEN, HIDDEN)
        for name in ("gate", "up"):
            yield f"{layer}.mlp.{name}_proj.weight", (INNER, HIDDEN)
        yield f"{layer}.mlp.down_proj.weight", (HIDDEN, INNER)
        yield f"{layer}.input_layernorm.weight", (HIDDEN,)
        yield f"{layer}.post_attention_layernorm.weight", (HIDDEN,)
    yield "norm.weight", (HIDDEN,)


def _linear(name: str, rows: int, columns: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (rows, columns)
    yield f"{name}.bias", (rows,)


def _norm(name: str) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (HIDDEN,)
    yield f"{name}.bias", (HIDDEN,)
