"""A pass that drops the batch axis of 1 that transformers' networks expect around packed tokens.

A network computes [1, tokens, hidden], and its attention [tokens, hidden], so that each layer
reshapes its states many times. That copies nothing, but a short text is embedded in so little time
that the number of nodes matters.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
from onnx_ir.passes.common import IdentityEliminationPass, RemoveUnusedNodesPass

ELEMENTWISE = {
    *("Abs", "Add", "And", "Cast", "Clip", "Cos", "Div", "Equal", "Erf", "Exp", "Gelu", "Greater"),
    *("GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mul", "Neg", "Not", "Or", "Pow"),
    *("Reciprocal", "Relu", "Sigmoid", "Sin", "Softplus", "Sqrt", "Sub", "Tanh", "Where"),
}
"""Operators that broadcast their inputs and compute each element by itself."""

BY_AXIS = {
    "LayerNormalization": -1,
    "SimplifiedLayerNormalization": -1,
    "Softmax": -1,
    "Split": 0,
}
"""Operators on the first input along the axis of an attribute, with its default."""

BY_AXES = {"ReduceMax": 1, "ReduceMean": 1, "ReduceSum": 1, "Slice": 3, "Unsqueeze": 1}
"""Operators on the first input along constant axes, with the index of the input that has them."""


def drop_batch_axis(model: ir.Model) -> None:
    """Compute values of shape [1, ...] without their first axis, in place.

    A node without a rule gets its inputs with that axis, which is inserted again for it.

    Args:
        model: An exported network, whose inputs and outputs remain as they are.
    """
    _BatchAxis(model.graph).drop()
    IdentityEliminationPass()(model)
    RemoveUnusedNodesPass()(model)


class _BatchAxis:
    """The values of a graph that are computed without their first axis.

    A rule changes a node so that it computes its outputs without that axis, or returns ``False``
    and leaves it as it is.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._dropped: set[ir.Value] = set()
        self._restored: dict[ir.Value, ir.Value] = {}
        self._squeezed: dict[ir.Value, ir.Value] = {}
        self._rules: dict[str, Callable[[ir.Node], bool]] = {
            "Concat": self._concatenate,
            "Gather": self._gather,
            "MatMul": self._multiply,
            "Transpose": self._transpose,
            **dict.fromkeys(ELEMENTWISE, self._compute_elements),
            **dict.fromkeys(BY_AXIS, self._compute_along_axis),
            **dict.fromkeys(BY_AXES, self._compute_along_axes),
        }

    def drop(self) -> None:
        """Drop the axis wherever a rule allows it."""
        for node in list(self._graph):
            axes = _integers(node, 1)
            if node.op_type == "Reshape" and axes and 0 not in axes:
                self._reshape(node, axes)
            elif node.op_type == "Unsqueeze" and axes == [0]:
                self._restore_inputs(node)
                _make_identity(node)
                self._drop_outputs(node)
            elif node.op_type == "Squeeze" and axes == [0] and node.inputs[0] in self._dropped:
                _make_identity(node)
            elif self._dropped.intersection(node.inputs):
                rule = self._rules.get(node.op_type)
                if rule and rule(node):
                    self._drop_outputs(node)
                else:
                    self._restore_inputs(node)
        for index, value in enumerate(self._graph.outputs):
            if value in self._dropped:
                self._graph.outputs[index] = self._restore(value, self._graph.append)

    def _drop_outputs(self, node: ir.Node) -> None:
        for value in node.outputs:
            value.shape = ir.Shape(_sizes(value)[1:])
            self._dropped.add(value)

    def _restore_inputs(self, node: ir.Node) -> None:
        for index, value in enumerate(node.inputs):
            if value in self._dropped:
                assert value is not None
                restored = self._restore(value, lambda new: self._graph.insert_before(node, new))
                node.replace_input_with(index, restored)

    def _restore(self, value: ir.Value, insert: Callable[[ir.Node], None]) -> ir.Value:
        """Return `value` with its axis."""
        if value not in self._restored:
            new = ir.node("Unsqueeze", [value, self._constant(value.name, [0])])
            (result,) = new.outputs
            result.name, result.type = f"{value.name}.batched", value.type
            result.shape = ir.Shape([1, *_sizes(value)])
            insert(new)
            self._restored[value] = result
        return self._restored[value]

    def _squeeze(self, value: ir.Value, node: ir.Node) -> ir.Value:
        """Return `value`, which has the axis, without it."""
        if value not in self._squeezed:
            new = ir.node("Squeeze", [value, self._constant(value.name, [0])])
            (result,) = new.outputs
            result.name, result.type = f"{value.name}.flat", value.type
            result.shape = ir.Shape(_sizes(value)[1:])
            self._graph.insert_before(node, new)
            self._squeezed[value] = result
        return self._squeezed[value]

    def _constant(self, name: str | None, integers: list[int]) -> ir.Value:
        """Add integers to the graph's constants."""
        found = f"{name}.{'.'.join(map(str, integers))}"
        if found not in self._graph.initializers:
            self._graph.register_initializer(
                ir.val(found, const_value=ir.tensor(integers, ir.DataType.INT64, name=found))
            )
        return self._graph.initializers[found]

    def _reshape(self, node: ir.Node, sizes: list[int]) -> None:
        """Reshape the input of the preceding reshapes; do nothing if it has that shape."""
        (output,) = node.outputs
        source = node.inputs[0]
        assert source is not None
        while (producer := source.producer()) and producer.op_type == "Reshape":
            source = producer.inputs[0]
            assert source is not None
        node.replace_input_with(0, source)
        if sizes[0] == 1 and len(sizes) > 1:
            node.replace_input_with(1, self._constant(output.name, sizes[1:]))
            self._drop_outputs(node)
        if _sizes(source) == _sizes(output):
            _make_identity(node)

    def _compute_elements(self, node: ir.Node) -> bool:
        rank = len(_sizes(node.outputs[0]))
        batched = []
        for index, value in enumerate(node.inputs):
            if value is None:
                continue
            sizes = _sizes(value)
            if value in self._dropped:
                if len(sizes) + 1 != rank:
                    return False
            elif len(sizes) == rank:
                if sizes[0] != 1:
                    return False
                batched.append((index, value))
        for index, value in batched:
            node.replace_input_with(index, self._squeeze(value, node))
        return True

    def _multiply(self, node: ir.Node) -> bool:
        first, second = node.inputs
        assert first is not None and second is not None
        if first not in self._dropped or len(_sizes(first)) < 2:
            return False
        if second in self._dropped:
            return len(_sizes(first)) == len(_sizes(second))
        return len(_sizes(second)) == 2

    def _gather(self, node: ir.Node) -> bool:
        data, indices = node.inputs
        if data in self._dropped:
            return indices not in self._dropped and _shift_axis(node, 0)
        return node.attributes.get_int("axis", 0) == 0

    def _transpose(self, node: ir.Node) -> bool:
        order = list(node.attributes.get_ints("perm", [-1]))
        if order[0] != 0:
            return False
        node.attributes["perm"] = ir.AttrInt64s("perm", [axis - 1 for axis in order[1:]])
        return True

    def _concatenate(self, node: ir.Node) -> bool:
        return self._dropped.issuperset(node.inputs) and _shift_axis(node, 0)

    def _compute_along_axis(self, node: ir.Node) -> bool:
        return node.inputs[0] in self._dropped and _shift_axis(node, BY_AXIS[node.op_type])

    def _compute_along_axes(self, node: ir.Node) -> bool:
        (source, *_), index = node.inputs, BY_AXES[node.op_type]
        axes = _integers(node, index)
        if source not in self._dropped or not axes:
            return False
        rank = len(_sizes(node.outputs[0] if node.op_type == "Unsqueeze" else source))
        first = -rank - (node.op_type != "Unsqueeze")
        if {0, first}.intersection(axes):
            return False
        shifted = [axis - 1 if axis > 0 else axis for axis in axes]
        node.replace_input_with(index, self._constant(node.outputs[0].name, shifted))
        return True


def _sizes(value: ir.Value) -> list[int | ir.SymbolicDim]:
    assert value.shape is not None, f"the exporter did not infer the shape of {value.name}"
    return list(value.shape)


def _integers(node: ir.Node, index: int) -> list[int] | None:
    """Return the constant integers of an input of `node`, if it has such an input."""
    value = node.inputs[index] if index < len(node.inputs) else None
    constant = ir.convenience.get_const_tensor(value) if value is not None else None
    if constant is None or constant.dtype != ir.DataType.INT64:
        return None
    numbers: list[int] = constant.numpy().reshape(-1).tolist()
    return numbers


def _shift_axis(node: ir.Node, default: int) -> bool:
    """Let `node` compute along the same axis of values without the first axis."""
    axis = node.attributes.get_int("axis", default)
    if axis == 0 or axis == -len(_sizes(node.outputs[0])):
        return False
    node.attributes["axis"] = ir.AttrInt64("axis", axis - (axis > 0))
    return True


def _make_identity(node: ir.Node) -> None:
    node.op_type = "Identity"
    node.resize_inputs(1)
    node.attributes.clear()
