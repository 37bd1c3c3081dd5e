"""After attention, the last layer computes only the pooled tokens.

`tests/export/test_packing.py` tests the same for each family in float32.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

from testing.checkpoints import tiny_checkpoint
from testing.onnx_encoder import trace
from triton_embed.cli import main

LENGTHS = (4, 7, 6)
PRODUCTS = {"Gemm", "MatMulIntegerToFloat"}
"""Operators of matrix products, once ONNX Runtime has joined them with their biases."""

LAYERS, LINEAR, AFTER_ATTENTION = 2, 6, 3
"""Layers of `tiny_bert`, linear layers in each, and linear layers after attention."""


def products(checkpoint: Path, folder: Path, precision: str = "fp32") -> list[int]:
    """Export `checkpoint` and return the rows of each matrix product for texts of `LENGTHS`."""
    arguments = ["--model-repository", str(folder), "--model-id", "m", "--precision", precision]
    assert main(["export", str(checkpoint), *arguments]) == 0
    operations = trace(folder, "m", [[101] * length for length in LENGTHS], folder)
    return [prod(item.outputs[0][1][:-1]) for item in operations if item.kind in PRODUCTS]


def test_last_layer_computes_only_the_token_that_is_pooled(
    tmp_path: Path, minilm_folder: Path
) -> None:
    checkpoint = tiny_checkpoint(
        tmp_path / "checkpoint", minilm_folder, pooling=("lasttoken",), normalize=False
    )
    rows = products(checkpoint, tmp_path, "int8")
    assert rows.count(len(LENGTHS)) == AFTER_ATTENTION
    assert rows.count(sum(LENGTHS)) == LAYERS * LINEAR - AFTER_ATTENTION


def test_every_token_is_computed_if_several_are_pooled(tmp_path: Path, minilm_folder: Path) -> None:
    checkpoint = tiny_checkpoint(
        tmp_path / "checkpoint", minilm_folder, pooling=("cls", "lasttoken")
    )
    assert products(checkpoint, tmp_path) == [sum(LENGTHS)] * (LAYERS * LINEAR)
