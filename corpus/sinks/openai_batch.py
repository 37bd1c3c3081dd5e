"""The output lines of OpenAI's Batch API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triton_embed.corpus.sinks.jsonl import numbers
from triton_embed.corpus.sinks.sink import VectorColumn


class OpenAIBatchSink:
    """A file with a response of ``/v1/embeddings`` in each line, joined by ``custom_id``.

    Args:
        path: The file.
        column: The column of the vectors.
    """

    def __init__(self, path: Path, column: VectorColumn) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._model = column.properties["model"]

    def write(self, table: pa.Table, vectors: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Write rows; see `Sink.write`."""
        for id, vector, is_valid in zip(table["id"].to_pylist(), vectors, valid, strict=True):
            line = {
                "id": f"batch_req_{id}",
                "custom_id": str(id),
                "response": self._response(vector) if is_valid else None,
                "error": None if is_valid else {"code": "rejected", "message": "see _rejects"},
            }
            self._file.write(f"{json.dumps(line, ensure_ascii=False)}\n")

    def _response(self, vector: NDArray[Any]) -> dict[str, Any]:
        data = [{"object": "embedding", "index": 0, "embedding": numbers(vector)}]
        body = {"object": "list", "data": data, "model": self._model}
        return {"status_code": 200, "body": body}

    def close(self) -> None:
        """Close the file."""
        self._file.close()
