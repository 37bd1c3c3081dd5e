"""The response of ``POST /v1/embeddings``, rendered straight from NumPy."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
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
    num_images: Annotated[
        int | None, Field(description="Images of the request, if the model takes images.")
    ] = None


class EmbeddingResponse(BaseModel):
    """One vector per input, in input order."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


def usage(tokens: int, images: int | None) -> dict[str, int]:
    """Return the ``usage`` of a response.

    Args:
        tokens: Tokens over all inputs.
        images: Number of images; ``None``: the model takes texts only.
    """
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return counts if images is None else {**counts, "num_images": images}


def encode(
    model_id: str,
    chunks: Sequence[EmbeddingBatch],
    usage: Mapping[str, int],
    encoding: EncodingFormat,
) -> bytes:
    """Return the body of a successful response.

    Args:
        model_id: The id of the model.
        chunks: The vectors, in input order.
        usage: See `usage`.
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
    body = {"object": "list", "data": data, "model": model_id, "usage": usage}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _base64(row: NDArray[Any]) -> str:
    return b64encode(row.data).decode("ascii")
