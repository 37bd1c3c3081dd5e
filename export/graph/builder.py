"""Builds the ONNX model that Triton serves, or that TensorRT builds an engine from.

The model takes a ragged Triton batch: the padded rows of all requests end to end, the length of
each item, and the width of the row that it came in. A frame of text (`length_sorted`,
`single_batch`) packs the items, and calls the exported encoder.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript.rewriter.ort_fusions.erfgelu import fuse_erfgelu
from onnxscript.rewriter.ort_fusions.rms_normalization import fuse_rms_normalization
from torch import Tensor, nn

from triton_embed.export.graph.batch_axis import drop_batch_axis
from triton_embed.export.graph.frame import DOMAIN, OPSET, EncoderShape
from triton_embed.export.graph.length_sorted import length_sorted_batches
from triton_embed.export.graph.passes import hoist_pooling_gather
from triton_embed.export.graph.single_batch import single_batch
from triton_embed.export.packing import pack
from triton_embed.export.target import Target
from triton_embed.export.towers.text import PackedEncoder

EXAMPLE_LENGTHS = (5, 9, 3)
"""Lengths of the items that the encoder is traced with. Every dimension is dynamic; the lengths
differ from each other and from 1, which torch.export would treat as a constant."""

EXAMPLE_FEATURE_ROWS = (4, 1, 2)
"""Rows of features of these items."""


def to_onnx(encoder: PackedEncoder, max_tokens: int, target: Target) -> ir.Model:
    """Build the ONNX model of an encoder.

    Args:
        encoder: The encoder for `target`, in evaluation mode.
        max_tokens: Maximum tokens of an item; longer ones are truncated.
        target: The model's runtime.

    Returns:
        A model with inputs ``token_ids`` int32 [flat], ``length`` int32 [items, 1] and
        ``row_width`` int32 [items, 1], and output ``embeddings`` float32 [items, dimension]. If
        the encoder takes images, it has ``features`` float32 [values] and ``feature_shape`` int32
        [items, 2], too.
    """
    shape = EncoderShape(
        dimension=encoder.dimension,
        max_tokens=max_tokens,
        vocab_size=encoder.vocab_size,
        hidden_size=encoder.hidden_size,
        pools_prompt=encoder.pools_prompt,
        feature_size=encoder.hidden_size if encoder.placeholder is not None else 0,
    )
    text = length_sorted_batches(shape, target.grouping) if target.grouping else single_batch(shape)
    model = ir.from_onnx_text(text)
    exported = _export(encoder)
    if encoder.pools_one_token:
        hoist_pooling_gather(exported)
    drop_batch_axis(exported)
    if target.runtime.backend == "onnxruntime":
        # ONNX Runtime does not fuse the forms that PyTorch exports.
        fuse_erfgelu(exported)
        fuse_rms_normalization(exported)
        RemoveUnusedNodesPass()(exported)
    _inline(exported, model)
    return model


def _export(encoder: PackedEncoder) -> ir.Model:
    """Return `encoder` alone in ONNX, with inputs of dynamic shape."""
    packing = pack(list(EXAMPLE_LENGTHS))
    tokens = sum(EXAMPLE_LENGTHS)
    position_ids = torch.cat([torch.arange(length) for length in EXAMPLE_LENGTHS])
    inputs = {
        "input_ids": torch.arange(tokens),
        "position_ids": position_ids,
        "gather_index": packing.gather_index,
        "token_index": packing.token_index,
        "valid": packing.valid,
    }
    if encoder.placeholder is not None:
        rows = torch.tensor(EXAMPLE_FEATURE_ROWS)
        inputs |= {
            "feature_table": torch.zeros(int(rows.sum()), encoder.hidden_size),
            "feature_start": rows.cumsum(0) - rows,
            "feature_rows": rows,
        }
    dynamic = torch.export.Dim.AUTO
    return trace(
        encoder,
        tuple(inputs.values()),
        input_names=list(inputs),
        dynamic_shapes=tuple(dict.fromkeys(range(item.dim()), dynamic) for item in inputs.values()),
    )


def trace(module: nn.Module, inputs: tuple[Tensor, ...], **options: Any) -> ir.Model:
    """Return `module` in ONNX, traced with `inputs`.

    Args:
        module: The module, in evaluation mode.
        inputs: Example inputs.
        options: Further arguments of ``torch.onnx.export``.
    """
    logging.getLogger("torch.onnx._internal.exporter").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, inputs, opset_version=OPSET, dynamo=True, verbose=False, **options
        )
    assert program is not None
    return program.model


def _inline(encoder: ir.Model, model: ir.Model) -> None:
    """Replace the ``Encoder`` node of `model` by the nodes of `encoder`."""
    call = next(node for node in model.graph.all_nodes() if node.domain == DOMAIN)
    body = call.graph
    assert isinstance(body, ir.Graph)
    nodes = list(encoder.graph)
    weights = list(encoder.graph.initializers.values())
    for value in (*weights, *(output for node in nodes for output in node.outputs)):
        value.name = f"encoder.{value.name}"
    arguments = [value for value in call.inputs if value is not None]
    ir.convenience.replace_all_uses_with(encoder.graph.inputs, arguments)
    (result,) = encoder.graph.outputs
    encoder.graph.outputs.clear()
    encoder.graph.initializers.clear()
    encoder.graph.remove(nodes)
    body.insert_before(call, nodes)
    for weight in weights:
        # ONNX Runtime keeps a weight of a loop's body in memory next to the form that its kernel
        # has packed, but frees one of the main graph.
        model.graph.register_initializer(weight)
    ir.convenience.replace_all_uses_with(call.outputs, [result])
    body.remove(call, safe=True)
    del model.opset_imports[DOMAIN]
