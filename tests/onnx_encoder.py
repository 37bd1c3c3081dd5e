"""Runs an exported ONNX encoder as Triton does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray


def open_encoder(repository: Path, name: str) -> onnxruntime.InferenceSession:
    """Open the encoder of the model `name` in `repository`."""
    path = repository / f"{name}_encoder" / "1" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


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
