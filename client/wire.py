"""Bodies of requests and responses: vectors travel as base64 of their bytes.

Base64 over HTTP works with every server that has OpenAI's API. ``python -m benchmarks.corpus``
compares its speed with that of gRPC.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from triton_embed.client.errors import InvalidResponse, RequestRejected
from triton_embed.client.options import EmbedOptions

INDEX = re.compile(r" \(input\[(\d+)\]\)$")
"""The position of the input at fault, at the end of our server's messages."""

Encoding = Literal["base64", "float"]
"""Values of ``encoding_format``: the bytes of a vector, or its numbers."""

MAX_QUOTED_CHARACTERS = 300
"""Maximum characters of an unknown response that an error message quotes."""


@dataclass(frozen=True)
class Vectors:
    """The response to one request.

    Attributes:
        rows: Vectors [inputs, width], of `EmbedOptions.dtype`.
        tokens: Tokens that the server processed; 0 if it does not count them.
    """

    rows: NDArray[Any]
    tokens: int


def request_body(
    options: EmbedOptions, inputs: Sequence[str], encoding: Encoding = "base64"
) -> bytes:
    """Return the body of a request."""
    fields = {**options.fields(), "encoding_format": encoding, "input": inputs}
    # Escapes, the default, also carry lone surrogates, which UTF-8 cannot.
    return json.dumps(fields, separators=(",", ":")).encode()


def read_vectors(content: bytes, count: int, options: EmbedOptions) -> Vectors:
    """Return the vectors of a response, in the order of the inputs.

    Args:
        content: The body.
        count: Inputs of the request.
        options: Options of the request.

    Raises:
        InvalidResponse: the body is malformed, has another number of vectors, or shows that the
            server ignores an option.
    """
    try:
        body = json.loads(content)
        items = body["data"]
        if len(items) != count:
            raise InvalidResponse(f"the server returned {len(items)} vectors for {count} inputs")
        places = [item.get("index", position) for position, item in enumerate(items)]
        if sorted(places) != list(range(count)):
            raise InvalidResponse(
                f"the server returned {count} vectors, but not one for each input: the first "
                f"indices are {places[:10]}"
            )
        width = len(_vector(items[0]["embedding"], options))
        if options.width not in (None, width):
            raise InvalidResponse(
                f"the server returned vectors of length {width}, not {options.width}: it ignores "
                "'dimensions'"
            )
        rows = np.empty((count, width), options.dtype)
        for place, item in zip(places, items, strict=True):
            rows[place] = _vector(item["embedding"], options).reshape(width)
        tokens = int((body.get("usage") or {}).get("total_tokens") or 0)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        text = content[:MAX_QUOTED_CHARACTERS].decode(errors="replace")
        raise InvalidResponse(f"not a response with embeddings ({error}): {text}") from error
    return Vectors(rows, tokens)


def _vector(value: str | list[float], options: EmbedOptions) -> NDArray[Any]:
    """Return one vector; some servers send numbers although base64 was requested."""
    if isinstance(value, str):
        return np.frombuffer(b64decode(value), options.dtype.newbyteorder("<"))
    if options.dtype.kind == "f":
        return np.asarray(value, options.dtype)
    numbers, limits = np.asarray(value, np.float64), np.iinfo(options.dtype)
    if ((numbers < limits.min) | (numbers > limits.max) | (numbers % 1 != 0)).any():
        raise InvalidResponse(
            f"the server returned numbers that are not of the type {options.dtype}: it ignores "
            f"'embedding_type'; leave '{options.embedding_type}' out"
        )
    return numbers.astype(options.dtype)


def read_rejection(status: int, content: bytes) -> RequestRejected:
    """Return the error in the body of a response with a 4xx status.

    Its index is that of the input in the request.
    """
    try:
        body = json.loads(content)
        fields = body.get("error", body)
        if not isinstance(fields, dict):
            fields = {"message": fields}
    except (ValueError, AttributeError):
        fields = {}
    text = content[:MAX_QUOTED_CHARACTERS].decode(errors="replace").strip()
    message = str(fields.get("message") or text or f"HTTP status {status}")
    found = INDEX.search(message)
    return RequestRejected(
        message[: found.start()] if found else message,
        status=status,
        code=str(fields.get("code") or ""),
        param=fields.get("param"),
        index=int(found[1]) if found else None,
    )
