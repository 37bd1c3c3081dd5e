"""The models that are measured: MiniLM's real weights, and larger or smaller ones at random."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from transformers import PretrainedConfig

from testing.checkpoints import tiny_bert, tiny_checkpoint
from testing.minilm import minilm_checkpoint
from testing.paths import ROOT
from triton_embed.contract.naming import triton_model_name
from triton_embed.export.families.llama_bidirec import LlamaBidirectionalConfig

MINILM_FOLDER = minilm_checkpoint()

RANDOM: Mapping[str, PretrainedConfig] = {
    "trivial": tiny_bert(max_position_embeddings=512),
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
"""Random weights, MiniLM's tokenizer; by name."""


def checkpoint(name: str, folder: Path) -> Path:
    """Return the checkpoint of the model `name`, made below `folder` if it has random weights."""
    if name not in RANDOM:
        return MINILM_FOLDER
    config = RANDOM[name]
    return tiny_checkpoint(
        folder / name,
        MINILM_FOLDER,
        config=config,
        max_seq_length=256,
        # What real models start from; more, and many layers would amplify rounding without bound.
        initializer_range=0.02,
    )


def export(checkpoint_folder: Path, repository: Path, model_id: str, *flags: str) -> str:
    """Export with the command line that users have, and return the model's name in Triton."""
    subprocess.run(
        [
            *(sys.executable, "-m", "triton_embed.export", str(checkpoint_folder)),
            *("--model-repository", str(repository)),
            *("--model-id", model_id),
            *flags,
        ],
        cwd=ROOT,
        check=True,
        stdout=sys.stderr,
    )
    return triton_model_name(model_id)
