"""Writes a packed encoder as the ONNX model that Triton serves, or TensorRT builds an engine from.

The model takes what a ragged Triton batch consists of: the padded rows of all requests end to
end, the real length of each item and the width of the row it came in. `export.prologue` packs them.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript.rewriter.ort_fusions.erfgelu import fuse_erfgelu
from onnxscript.rewriter.ort_fusions.rms_normalization import fuse_rms_normalization

from triton_embed.export.graph.passes import hoist_pooling_gather
from triton_embed.export.graph.prologue import OPSET, EncoderShape
from triton_embed.export.packing import pack
from triton_embed.export.progress import Advance, silent
from triton_embed.export.target import Target
from triton_embed.export.towers.text import PackedEncoder

LARGEST_FILE = 200_000_000
"""Bytes of weights that go into the ONNX file itself.

More lie beside it, are written one by one, and are mapped into memory when the model is loaded. In
the file, a protobuf message of at most 2 GiB, they would be held several times over.
"""

BYTES_IN_FLIGHT = 64_000_000
"""Of weights that are written at a time."""


def to_onnx(encoder: PackedEncoder, max_tokens: int, target: Target) -> ir.Model:
    """Return the ONNX model of `encoder`.

    Args:
        encoder: The encoder for `target`, in evaluation mode.
        max_tokens: Longest item; longer ones are cut at this length.
        target: What the model is for.

    Returns:
        A model with inputs ``token_ids`` int32 [flat], ``length`` int32 [items, 1] and
        ``row_width`` int32 [items, 1], and output ``embeddings`` float32 [items, dimension].
    """
    limits = EncoderShape(
        dimension=encoder.dimension,
        max_tokens=max_tokens,
        vocab_size=encoder.vocab_size,
        hidden_size=encoder.transformer.config.hidden_size,
    )
    model = ir.from_onnx_text(target.prologue(limits))
    exported = _export(encoder)
    if encoder.pools_one_token:
        hoist_pooling_gather(exported)
    if target.runtime.backend == "onnxruntime":
        # ONNX Runtime itself does not recognise the forms that PyTorch writes.
        fuse_erfgelu(exported)
        fuse_rms_normalization(exported)
        RemoveUnusedNodesPass()(exported)
    _inline(exported, model)
    return model


def save(model: ir.Model, path: Path, advance: Advance = silent) -> None:
    """Write `model` to one file, or its weights beside it where they are too large for that."""

    def tell(tensor: object, info: ir.external_data.CallbackInfo) -> None:
        advance(info.index + 1, info.total, "weights")

    values = (value for graph in model.graphs() for value in graph.initializers.values())
    size = sum(value.const_value.nbytes for value in values if value.const_value is not None)
    if size <= LARGEST_FILE:
        ir.save(model, path)
    else:
        data = f"{path.name}.data"
        ir.save(model, path, external_data=data, max_in_flight_bytes=BYTES_IN_FLIGHT, callback=tell)


def free(model: ir.Model, encoder: PackedEncoder) -> None:
    """Let go of the weights of both, which then are of no more use.

    It would not do to forget the two: the rules of ONNX Script's optimizer keep the last graph
    that they saw.
    """
    for graph in model.graphs():
        for value in graph.initializers.values():
            value.const_value = None
    for weight in (*encoder.parameters(), *encoder.buffers()):
        weight.data = torch.empty(0)


def _export(encoder: PackedEncoder) -> ir.Model:
    """Return `encoder` alone in ONNX, its five inputs of dynamic shape."""
    packing = pack([5, 9, 3])
    tokens = int(packing.lengths.sum())
    position_ids = torch.cat([torch.arange(length) for length in packing.lengths.tolist()])
    inputs = (torch.arange(tokens), position_ids, packing.pad, packing.unpad, packing.valid)
    dynamic = torch.export.Dim.AUTO
    logging.getLogger("torch.onnx._internal.exporter").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder,
            inputs,
            input_names=["input_ids", "position_ids", "pad", "unpad", "valid"],
            dynamic_shapes=tuple(dict.fromkeys(range(item.dim()), dynamic) for item in inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model


def _inline(encoder: ir.Model, model: ir.Model) -> None:
    """Put the nodes of `encoder` in the place of the ``triton_embed.Encoder`` node of `model`."""
    call = next(node for node in model.graph.all_nodes() if node.domain == "triton_embed")
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
        body.register_initializer(weight)
    ir.convenience.replace_all_uses_with(call.outputs, [result])
    body.remove(call, safe=True)
    del model.opset_imports["triton_embed"]
