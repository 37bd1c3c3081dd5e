"""No family computes anything on padding except attention and mean pooling."""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx
import pytest

from testing.families import CASES
from testing.family_repository import Families
from testing.onnx_encoder import Operation, trace
from triton_embed.contract.naming import triton_model_name

LENGTHS = (19, 21, 23)
"""Lengths that form one group, which has more padded positions than tokens."""
TOKENS = sum(LENGTHS)
PADDED = len(LENGTHS) * max(LENGTHS)

QUERY_KEY_VALUE = 3
"""Linear layers of the last layer that compute all tokens even if only one token is pooled."""

MOVES = {"Cast", "Concat", "Expand", "Gather", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
"""Kinds of operations that compute nothing."""


def linear_layers(path: Path) -> int:
    """Return the number of nodes that multiply by a matrix of weights."""
    graph = onnx.load(path).graph
    (loop,) = (node for node in graph.node if node.op_type == "Loop")
    (body,) = (item.g for item in loop.attribute if item.name == "body")
    matrices = {value.name for value in graph.initializer if len(value.dims) == 2}
    return sum(
        node.op_type in ("MatMul", "Gemm") and not matrices.isdisjoint(node.input)
        for node in body.node
    )


def is_padded(operation: Operation) -> bool:
    """Return True if `operation` has a result for each padded position of the group."""
    return any(
        kind == "float" and (shape[:2] == [len(LENGTHS), max(LENGTHS)] or PADDED in shape)
        for kind, shape in operation.outputs
    )


@pytest.mark.parametrize("name", CASES)
def test_padding_reaches_attention_and_the_mean_only(
    families: Families, tmp_path: Path, name: str
) -> None:
    repository, model = families.exported(name), triton_model_name(name)
    rows = [[5] * length for length in LENGTHS]
    operations = trace(repository, model, rows, tmp_path)
    padded = {item.kind for item in operations if is_padded(item)} - MOVES
    pooling = {"Mul"} if CASES[name].pooling == "mean" else set()
    assert padded == {"MultiHeadAttention"} | pooling

    products = [item for item in operations if "MatMul" in item.kind or "Gemm" in item.kind]
    heights = [prod(item.outputs[0][1][:-1]) for item in products]
    dense = len(CASES[name].dense)
    layers = linear_layers(repository / f"{model}_encoder" / "1" / "model.onnx") - dense
    assert layers >= 8
    trimmed = layers // 2 - QUERY_KEY_VALUE if CASES[name].pooling in ("cls", "lasttoken") else 0
    assert heights.count(TOKENS) == layers - trimmed
    assert heights.count(len(LENGTHS)) == dense + trimmed
