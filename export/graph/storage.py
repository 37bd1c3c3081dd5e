"""Saves an ONNX model, with large weights in a file of their own, and frees its memory."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import torch
from torch import nn

from triton_embed.export.progress import ProgressCallback, no_progress

MAX_EMBEDDED_BYTES = 10_000_000
"""Maximum bytes of weights inside the ONNX file.

Larger weights go into a second file next to it, from which a server maps them into memory: of the
token table, only the rows in use become resident, and matrices only until they are packed. Inside
the file they would be held several times at once while it is parsed, and a protobuf message ends at
2 GiB.
"""

MAX_BYTES_IN_FLIGHT = 64_000_000
"""Maximum bytes of weights in memory while they are written; a larger tensor is written alone."""


def save(model: ir.Model, path: Path, on_progress: ProgressCallback = no_progress) -> None:
    """Write `model` to `path`, and weights over `MAX_EMBEDDED_BYTES` to ``path.data``."""

    def report(tensor: object, info: ir.external_data.CallbackInfo) -> None:
        on_progress(info.index + 1, info.total, "weights")

    values = (value for graph in model.graphs() for value in graph.initializers.values())
    size = sum(value.const_value.nbytes for value in values if value.const_value is not None)
    if size <= MAX_EMBEDDED_BYTES:
        ir.save(model, path)
    else:
        ir.save(
            model,
            path,
            external_data=f"{path.name}.data",
            max_in_flight_bytes=MAX_BYTES_IN_FLIGHT,
            callback=report,
        )


def free(model: ir.Model, encoder: nn.Module) -> None:
    """Release the weights of a saved model and of the encoder that it was made from.

    Dropping the references is not enough: ONNX Script's optimizer rules keep the last graph.
    """
    for graph in model.graphs():
        for value in graph.initializers.values():
            value.const_value = None
    for weight in (*encoder.parameters(), *encoder.buffers()):
        weight.data = torch.empty(0)
