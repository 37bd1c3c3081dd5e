"""Lower precisions stay close to the reference and are batch-invariant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Gemma3TextConfig, PretrainedConfig, T5Config

from testing.checkpoints import tiny_checkpoint
from testing.onnx_encoder import embed, open_encoder
from triton_embed.cli import main
from triton_embed.export.errors import ExportError
from triton_embed.export.families.networks.llama_bidirec import LlamaBidirectionalConfig
from triton_embed.export.parity.gate import THRESHOLDS, Parity
from triton_embed.export.precision import PRECISIONS
from triton_embed.export.towers.quantization import Int8Linear

SIZES: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "pad_token_id": 0,
}

# Features that MiniLM lacks: grouped heads and rotary embeddings, a token table that scales, a
# layer whose dtype is read.
CASES = [
    ("fp16", LlamaBidirectionalConfig(**SIZES)),
    ("int8", Gemma3TextConfig(**SIZES, head_dim=8, use_bidirectional_attention=True)),
    ("int8", T5Config(vocab_size=30522, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)),
]


def run(checkpoint: Path, repository: Path, precision: str) -> int:
    flags = ["--model-repository", str(repository), "--precision", precision]
    return main(["export", str(checkpoint), "--model-id", "m", *flags])


def encoder(repository: Path) -> Path:
    return repository / "m_encoder" / "1"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_minilm_passes_the_gate_with_smaller_batch_invariant_models(
    tmp_path: Path, minilm_folder: Path, precision: str
) -> None:
    assert run(minilm_folder, tmp_path, precision) == 0
    report = json.loads((encoder(tmp_path) / "parity.json").read_text())
    assert report["precision"] == precision
    assert report["min_cosine"] >= report["limits"]["min_cosine"] >= 0.98
    assert report["retrieval"] >= 0.995
    assert sum(path.stat().st_size for path in encoder(tmp_path).glob("model.onnx*")) < 50e6
    session = open_encoder(tmp_path, "m")
    generator = np.random.default_rng(0)
    rows = [generator.integers(1000, 30000, size).tolist() for size in (9, 2, 200, 1, 33, 2)]
    alone = np.concatenate([embed(session, [row]) for row in rows])
    assert np.abs(embed(session, rows) - alone).max() < 1e-4


@pytest.mark.parametrize(("precision", "config"), CASES)
def test_other_families_pass_the_gate(
    tmp_path: Path, minilm_folder: Path, precision: str, config: PretrainedConfig
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, config=config)
    assert run(folder, tmp_path / "repository", precision) == 0


def test_adjacent_weights_cannot_saturate_processors_without_vnni() -> None:
    torch.manual_seed(0)
    layer = Int8Linear(nn.Linear(64, 128))
    size = layer.weight.to(torch.int32).abs()
    assert (255 * (size[1:] + size[:-1])).max() < 2**15
    assert size.max() > 64


def test_bf16_is_rejected_for_targets_without_it(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_folder, tmp_path / "repository", "bf16") == 1
    assert "--precision bf16 does not run on target 'cpu'" in capsys.readouterr().err
    assert not (tmp_path / "repository").exists()


def test_thresholds_cover_every_precision() -> None:
    assert THRESHOLDS.keys() == PRECISIONS.keys()


def test_batch_dependent_embeddings_miss_the_gate() -> None:
    good = Parity(1e-3, 0.99, 0.999, 1e-7, 0, 74, "cpu", "int8", caveat=None)
    good.check()
    for bad in ({"max_batch_deviation": 2e-4}, {"retrieval": 0.99}, {"min_cosine": float("nan")}):
        with pytest.raises(ExportError, match="for int8"):
            Parity(**{**good.__dict__, **bad}).check()
    with pytest.raises(ExportError, match="2 of 37 texts other tokens"):
        Parity(**{**good.__dict__, "token_differences": 2}).check()
