"""Dropping the batch axis leaves no reshape behind, and does not change a result."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from triton_embed.export.graph.batch_axis import drop_batch_axis

SIZE = 4

HEADER = '<ir_version: 10, opset_import: ["": 18]>'
SIGNATURE = f"network (float[tokens, {SIZE}] x) => (float[{{result}}] y)"
CONSTANTS = (
    "<int64[1] first = {0}, int64[1] second = {1}, int64[1] last = {-1}, int64[1] two = {2},"
    " int64[1] end = {9}, int64[2] matrix = {-1, 4}, int64[3] states = {1, -1, 4},"
    " int64[4] heads = {1, -1, 2, 2}, float[4, 4] weight = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4,"
    " 5, 6, 7}, float[4] bias = {1, 2, 3, 4}, float[1, 1, 4] batched_bias = {4, 3, 2, 1}>"
)

REMOVED = {
    "products": "product = MatMul (states_in, weight) states_out = Add (product, bias)",
    "a bias with the axis": "states_out = Mul (states_in, batched_bias)",
    "norms": "states_out = LayerNormalization <axis = 2> (states_in, bias, bias)",
    "heads": """
        by_head = Reshape (states_in, heads)
        transposed = Transpose <perm = [0, 2, 1, 3]> (by_head)
        low = Slice (transposed, first, second, last)
        high = Slice (transposed, second, two, last)
        rotated = Concat <axis = 3> (high, low)
        back = Transpose <perm = [0, 2, 1, 3]> (rotated)
        states_out = Reshape (back, states)""",
    "means": """
        mean = ReduceMean <keepdims = 1> (states_in, two)
        states_out = Sub (states_in, mean)""",
}
"""Statements that compute [1, tokens, 4] from [1, tokens, 4]."""

KEPT = {
    "another batch axis": """
        moved = Transpose <perm = [1, 0, 2]> (states_in)
        states_out = Transpose <perm = [1, 0, 2]> (moved)""",
    "sums over it": """
        sum = ReduceSum <keepdims = 1> (states_in, first)
        states_out = Add (sum, states_in)""",
}
"""The same, with an operator that needs the axis."""


def network(statements: str, result: str = f"tokens, {SIZE}") -> ir.Model:
    """Return a model that computes `statements` between two reshapes, with inferred shapes."""
    body = f"states_in = Unsqueeze (x, first) {statements}"
    last = "y = Reshape (states_out, matrix)" if result[0] == "t" else "y = Identity (states_out)"
    text = f"{HEADER} {SIGNATURE.format(result=result)} {CONSTANTS} {{ {body} {last} }}"
    model = ir.from_onnx_text(text)
    ir.passes.common.ShapeInferencePass()(model)
    return model


def results(model: ir.Model) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Run a model on three tokens."""
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    tokens = np.arange(3 * SIZE, dtype=np.float32).reshape(3, SIZE) ** 2
    (result,) = session.run(None, {"x": tokens})
    return np.asarray(result)


@pytest.mark.parametrize("statements", REMOVED.values(), ids=REMOVED)
def test_values_lose_the_axis(statements: str) -> None:
    expected = results(network(statements))
    model = network(statements)
    drop_batch_axis(model)
    operators = [node.op_type for node in model.graph]
    assert "Unsqueeze" not in operators
    assert operators.count("Reshape") == (2 if "heads)" in statements else 0)
    assert np.array_equal(results(model), expected)


@pytest.mark.parametrize("statements", KEPT.values(), ids=KEPT)
def test_operator_that_needs_the_axis_gets_it(statements: str) -> None:
    expected = results(network(statements))
    model = network(statements)
    drop_batch_axis(model)
    assert np.array_equal(results(model), expected)


def test_result_keeps_the_axis() -> None:
    shape = f"1, tokens, {SIZE}"
    expected = results(network("states_out = Relu (states_in)", shape))
    model = network("states_out = Relu (states_in)", shape)
    drop_batch_axis(model)
    assert results(model).shape == expected.shape == (1, 3, SIZE)
