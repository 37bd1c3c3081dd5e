"""A JSON object in each line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triton_embed.corpus.sinks.sink import VectorColumn


class JsonLinesSink:
    """A file with a JSON object in each line; values that JSON lacks, such as dates, are text.

    Args:
        path: The file.
        column: The column of the vectors.
    """

    def __init__(self, path: Path, column: VectorColumn) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._column = column.name

    def write(self, table: pa.Table, vectors: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Write rows; see `Sink.write`."""
        for row, vector, is_valid in zip(table.to_pylist(), vectors, valid, strict=True):
            row[self._column] = numbers(vector) if is_valid else None
            self._file.write(f"{json.dumps(row, ensure_ascii=False, default=str)}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def numbers(vector: NDArray[Any]) -> list[float]:
    """Return the elements of a vector with the digits that their type needs, and no more."""
    if vector.dtype != np.float32:
        return list(vector.tolist())
    return [float(text) for text in map(str, vector)]
