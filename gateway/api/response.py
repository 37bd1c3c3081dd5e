"""The response of ``POST /v1/embeddings``, rendered straight from NumPy."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from triton_embed.gateway.api.request import EncodingFormat
from triton_embed.gateway.triton.batch import EmbeddingBatch


class Embedding(BaseModel):
    """One vector."""

    object: Literal["embedding"]
    index: Annotated[int, Field(description="Position of the input.")]
    embedding: Annotated[
        list[float] | str, Field(description="The vector, as numbers or in base64.")
    ]


class Usage(BaseModel):
    """Token counts of a request."""

    prompt_tokens: Annotated[
        int,
        Field(description="Tokens that the encoder processed, prompt and special tokens included."),
    ]
    total_tokens: int


class EmbeddingResponse(BaseModel):
    """One vector per input, in input order."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


def encode(
    model_id: str, chunks: Sequence[EmbeddingBatch], tokens: int, encoding: EncodingFormat
) -> bytes:
    """Return the body of a successful response.

    Args:
        model_id: The id of the model.
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
