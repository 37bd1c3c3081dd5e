"""A pass that skips the last layer's work on tokens that pooling discards.

Pooling by the first or the last token gathers one token of each item at the very end. The nodes
after the last attention compute each token by itself, so that they can compute the gathered tokens
only: the pass hoists the Gather node above them.
"""

from __future__ import annotations

import onnx_ir as ir

ROW_WISE = {
    *("Add", "Cast", "Clip", "Div", "Erf", "LayerNormalization", "MatMulIntegerToFloat", "Max"),
    *("Mul", "Neg", "Pow", "QuantizeLinear", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("Relu", "Sigmoid", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Unsqueeze"),
}
"""Operators that compute a token from that token alone, provided that they keep the token axis."""

ROW_WISE_BY_CONSTANT = {"MatMul", "Reshape"}
"""Operators that do so if their second input is a constant."""


def hoist_pooling_gather(model: ir.Model) -> None:
    """Move the Gather node of the pooled tokens above the row-wise nodes that precede it.

    Args:
        model: The exported encoder alone, changed in place. Its last Gather takes a token of each
            item from states of shape [tokens, hidden].
    """
    graph = model.graph
    gather = next(node for node in reversed(graph) if node.op_type == "Gather")
    (states, index), (pooled,) = gather.inputs, gather.outputs
    assert states is not None and states.shape and pooled.shape
    tokens, items = states.shape[0], pooled.shape[0]
    rows = _row_wise(graph, gather, tokens)
    inputs = [value for node in rows for value in node.inputs if value is not None]
    for value in dict.fromkeys(inputs):
        axis = _axis(value, tokens)
        if axis is None or value.producer() in rows:
            continue
        hoisted = ir.node("Gather", [value, index], {"axis": axis})
        hoisted.outputs[0].name = f"{value.name}.pooled"
        hoisted.outputs[0].type = value.type
        hoisted.outputs[0].shape = value.shape
        graph.insert_before(gather, hoisted)
        for node, input_index in value.uses():
            if node in rows:
                node.replace_input_with(input_index, hoisted.outputs[0])
        rows[hoisted] = None
    for value in (output for node in rows for output in node.outputs):
        # ONNX Runtime lets tensors whose axes have the same names share memory.
        assert value.shape is not None
        value.shape = ir.Shape(items if size == tokens else size for size in value.shape)
    ir.convenience.replace_all_uses_with(pooled, states, replace_graph_outputs=True)
    graph.remove(gather, safe=True)
    graph.sort()


def _row_wise(
    graph: ir.Graph, gather: ir.Node, tokens: int | ir.SymbolicDim
) -> dict[ir.Node, None]:
    """Return the row-wise nodes whose results only `gather` uses, in reverse order."""
    rows: dict[ir.Node, None] = {}
    for node in reversed(graph):
        if (
            _is_row_wise(node)
            and all(_axis(value, tokens) is not None for value in node.outputs)
            and all(user is gather or user in rows for user in node.successors())
        ):
            rows[node] = None
    return rows


def _is_row_wise(node: ir.Node) -> bool:
    if node.op_type in ROW_WISE_BY_CONSTANT:
        second = node.inputs[1]
        return second is not None and second.const_value is not None
    return node.op_type in ROW_WISE


def _axis(value: ir.Value, tokens: int | ir.SymbolicDim) -> int | None:
    """Return the token axis of `value`, or ``None``."""
    sizes = list(value.shape or ())
    return sizes.index(tokens) if tokens in sizes else None
