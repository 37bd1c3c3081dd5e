"""Small checkpoints with random weights, in the layout of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, BertConfig, PretrainedConfig

from triton_embed.export.families import llama_bidirec

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

PACKAGE = "sentence_transformers.models"

POOLING_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def tiny_bert(**changes: Any) -> BertConfig:
    """Return a BERT with MiniLM's vocabulary, two layers and a hidden size of 32."""
    sizes = {
        "vocab_size": 30522,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
    }
    return BertConfig(**{**sizes, **changes})


def tiny_checkpoint(
    folder: Path,
    tokenizer_from: Path,
    *,
    config: PretrainedConfig | None = None,
    pooling: tuple[str, ...] = ("mean",),
    dense: int | Sequence[int] = (),
    normalize: bool = True,
    max_seq_length: int = 64,
    prompts: dict[str, str] | None = None,
    initializer_range: float = 0.3,
) -> Path:
    """Write a sentence-transformers checkpoint and return its folder.

    Args:
        folder: The checkpoint's folder; created.
        tokenizer_from: Folder whose tokenizer is copied.
        config: The transformer's config; by default `tiny_bert`.
        pooling: Pooling modes, concatenated.
        dense: Sizes of the Dense layers after pooling; a number stands for a single layer.
        normalize: Whether to end with Normalize.
        max_seq_length: Limit in tokens.
        prompts: Prompts for ``config_sentence_transformers.json``.
        initializer_range: Standard deviation of the weights. With the usual 0.02 the attention of
            a small model is almost uniform, which hides errors in it.
    """
    torch.manual_seed(7)
    llama_bidirec.register()
    config = config or tiny_bert()
    config.initializer_range = initializer_range
    AutoModel.from_config(config).save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (tokenizer_from / name).exists():
            shutil.copy(tokenizer_from / name, folder)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_seq_length})
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts or {}})
    width = config.hidden_size * len(pooling)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    flags = {flag: mode in pooling for mode, flag in POOLING_FLAGS.items()}
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": config.hidden_size, **flags},
    )
    for size in (dense,) if isinstance(dense, int) else dense:
        path = f"{len(modules)}_Dense"
        modules.append((path, "Dense"))
        _write_dense(folder / path, width, size)
        width = size
    if normalize:
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"{PACKAGE}.{kind}"}
            for index, (path, kind) in enumerate(modules)
        ],
    )
    return folder


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, creating the folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def edit_json(path: Path, **changes: Any) -> None:
    """Set some keys of the JSON object in `path`."""
    write_json(path, {**json.loads(path.read_text()), **changes})


def _write_dense(folder: Path, width: int, size: int) -> None:
    from safetensors.torch import save_file

    write_json(
        folder / "config.json",
        {
            "in_features": width,
            "out_features": size,
            "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
        },
    )
    weights = {"linear.weight": torch.randn(size, width), "linear.bias": torch.randn(size)}
    save_file(weights, folder / "model.safetensors")
