"""Writes vectors as the JSON that OpenAI's clients read, straight from NumPy."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import orjson
from numpy.typing import NDArray

from triton_embed.gateway.api.request import EncodingFormat
from triton_embed.gateway.triton.batch import EmbeddingBatch


def encode(
    model_id: str, chunks: Sequence[EmbeddingBatch], tokens: int, encoding: EncodingFormat
) -> bytes:
    """Return the body of a successful answer.

    Args:
        model_id: The id that is echoed.
        chunks: The vectors, in input order.
        tokens: Tokens over all of them.
        encoding: Lists of numbers, or base64 of the bytes in little-endian order.
    """
    rows = [row for chunk in chunks for row in chunk.vectors]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _base64(row) if encoding is EncodingFormat.BASE64 else row,
        }
        for index, row in enumerate(rows)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": data, "model": model_id, "usage": usage}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _base64(row: NDArray[Any]) -> str:
    return b64encode(row.data).decode("ascii")
