"""Checkpoints to measure: MiniLM, and smaller and larger models with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from transformers import PretrainedConfig

from testing.checkpoints import tiny_bert, tiny_checkpoint
from testing.minilm import minilm_checkpoint
from triton_embed.export.families.networks.llama_bidirec import LlamaBidirectionalConfig

MINILM_FOLDER = minilm_checkpoint()

LONG = "minilm-size-8k"
"""Name of the model that takes long texts."""

RANDOM: Mapping[str, PretrainedConfig] = {
    "trivial": tiny_bert(max_position_embeddings=512),
    LONG: tiny_bert(
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=8192,
    ),
    "e5-large-size": tiny_bert(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=512,
    ),
    "llama-300m-size": LlamaBidirectionalConfig(
        vocab_size=30522,
        hidden_size=1024,
        num_hidden_layers=16,
        num_attention_heads=16,
        num_key_value_heads=8,
        intermediate_size=4096,
        pad_token_id=0,
    ),
    "llama-1b-width": LlamaBidirectionalConfig(
        vocab_size=128256,
        hidden_size=2048,
        num_hidden_layers=4,
        num_attention_heads=32,
        num_key_value_heads=8,
        intermediate_size=8192,
        pad_token_id=0,
    ),
}
"""Configurations by name; the models have random weights and MiniLM's tokenizer."""

DEFAULT_MAX_TOKENS = 256
"""Token limit of all models but `LONG`."""


def max_tokens(name: str) -> int:
    """Return the token limit of the model `name`; longer texts are truncated."""
    return 8192 if name == LONG else DEFAULT_MAX_TOKENS


def checkpoint(name: str, folder: Path) -> Path:
    """Return the checkpoint `name`; one with random weights is written below `folder`."""
    if name not in RANDOM:
        return MINILM_FOLDER
    config = RANDOM[name]
    return tiny_checkpoint(
        folder / name,
        MINILM_FOLDER,
        config=config,
        max_seq_length=max_tokens(name),
        # The usual initialization; with a larger range, many layers amplify rounding errors.
        initializer_range=0.02,
    )
