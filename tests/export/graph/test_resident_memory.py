"""The weights of a served encoder are in memory once, whatever its loop and its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from testing.checkpoints import tiny_bert, tiny_checkpoint
from testing.resident_memory import added_bytes
from triton_embed.export.checkpoint.files import file_sizes
from triton_embed.export.checkpoint.reader import read_checkpoint
from triton_embed.export.graph import storage
from triton_embed.export.graph.builder import to_onnx
from triton_embed.export.precision import PRECISIONS
from triton_embed.export.target import TARGETS
from triton_embed.export.towers.text import PackedEncoder

RUNTIME_BYTES = 40_000_000
"""Memory of ONNX Runtime itself, with a margin: 18 to 24 MB in version 1.32."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """A BERT with 101 MB of matrices, which ONNX Runtime packs, and few other weights."""
    config = tiny_bert(vocab_size=1000, hidden_size=1024, intermediate_size=4096)
    folder = tmp_path_factory.mktemp("checkpoint") / "wide"
    return tiny_checkpoint(folder, minilm_folder, config=config, initializer_range=0.02)


@pytest.mark.parametrize(
    ("target", "precision", "external"),
    [
        pytest.param("cpu", "fp32", False, id="length-sorted"),
        pytest.param("cpu", "fp32", True, id="length-sorted-external"),
        pytest.param("cpu", "int8", False, id="length-sorted-int8"),
        pytest.param("tensorrt", "fp32", False, id="single-batch"),
    ],
)
def test_session_holds_weights_once(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    checkpoint: Path,
    target: str,
    precision: str,
    external: bool,
) -> None:
    monkeypatch.setattr(storage, "MAX_EMBEDDED_BYTES", 0 if external else 1 << 40)
    encoder = PackedEncoder(
        read_checkpoint(checkpoint, file_sizes(checkpoint)), target, PRECISIONS[precision]
    )
    path = tmp_path / "model.onnx"
    storage.save(to_onnx(encoder, 64, TARGETS[target]), path)
    weights = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert added_bytes(path) < weights + RUNTIME_BYTES


def test_mapped_token_table_is_not_resident(tmp_path: Path, minilm_folder: Path) -> None:
    config = tiny_bert(vocab_size=30_000, hidden_size=1024)
    checkpoint = tiny_checkpoint(tmp_path / "tall", minilm_folder, config=config)
    encoder = PackedEncoder(
        read_checkpoint(checkpoint, file_sizes(checkpoint)), "cpu", PRECISIONS["fp32"]
    )
    path = tmp_path / "model.onnx"
    storage.save(to_onnx(encoder, 64, TARGETS["cpu"]), path)
    assert added_bytes(path) < RUNTIME_BYTES + 30_000 * 1024 * 4 / 4
