"""Run an exported ONNX encoder in this process, with the same inputs as in Triton."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from triton_embed.contract.pipelines import ENCODER
from triton_embed.repository.layout import step_file


@dataclass(frozen=True)
class Operation:
    """One executed node of a graph or of a loop's body.

    Attributes:
        name: Name of the node.
        kind: Operator, such as ``MatMul``.
        outputs: Type and shape of each output.
    """

    name: str
    kind: str
    outputs: list[tuple[str, list[int]]]


def open_encoder(
    repository: Path, name: str, options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """Open the encoder of the model `name` in `repository`."""
    path = step_file(repository, name, ENCODER)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def embed(
    session: onnxruntime.InferenceSession,
    rows: list[list[int]],
    lengths: list[int] | None = None,
) -> NDArray[np.float32]:
    """Embed `rows` of token ids in one execution, float32 [items, dimension]."""
    feed = {
        "token_ids": np.array([token for row in rows for token in row], np.int32),
        "length": np.array([lengths or [len(row) for row in rows]], np.int32).T,
        "row_width": np.array([[len(row) for row in rows]], np.int32).T,
    }
    result: NDArray[np.float32] = session.run(["embeddings"], feed)[0]
    return result


def trace(repository: Path, name: str, rows: list[list[int]], folder: Path) -> list[Operation]:
    """Embed `rows` in one execution and return its operations; `folder` is for a scratch file."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = open_encoder(repository, name, options)
    embed(session, rows)
    events = json.loads(Path(session.end_profiling()).read_text())
    return [
        Operation(
            event["name"].removesuffix("_kernel_time"),
            event["args"]["op_name"],
            [pair for item in event["args"]["output_type_shape"] for pair in item.items()],
        )
        for event in events
        if event["name"].endswith("_kernel_time")
    ]
