"""OpenAI-compatible servers to measure, and the check that they compute the same vectors."""

from __future__ import annotations

import argparse
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.clients import Embed, http_client

Vectors = NDArray[np.float32]

MIN_COSINE = 0.98
"""Minimum cosine of every vector to the reference, that of the export for int8. A server below it
has another model, another pooling or a defect, so its speed means nothing."""

RESPONSE_SECONDS = 300.0
"""Deadline of the response to the checked texts."""

FORMATS = ("base64", "float")
"""Encodings of the vectors; the first is what OpenAI's Python client requests."""


@dataclass(frozen=True)
class Peer:
    """A running server.

    Attributes:
        name: Its name in the tables.
        url: Base URL of its OpenAI API, as in ``OPENAI_BASE_URL``: usually it ends with ``/v1``.
        model: The model id to request.
        options: Further fields of every request.
        description: Its version and flags, if known.
    """

    name: str
    url: str
    model: str
    options: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    @classmethod
    def parse(cls, argument: str) -> Peer:
        """Read ``NAME=URL,MODEL``.

        Raises:
            argparse.ArgumentTypeError: A part is missing.
        """
        name, _, rest = argument.partition("=")
        url, _, model = rest.partition(",")
        if not (name and model and url.startswith("http://")):
            raise argparse.ArgumentTypeError(
                f"'{argument}' is not NAME=URL,MODEL, such as TEI=http://127.0.0.1:3000/v1,MiniLM"
            )
        return cls(name, url.rstrip("/"), model)

    def connect(self, encoding_format: str) -> Callable[[], Embed]:
        """Return a function that creates a client."""
        options = {**self.options, "encoding_format": encoding_format}
        return partial(http_client, f"{self.url}/embeddings", self.model, **options)

    def vectors(self, texts: Sequence[str], encoding_format: str) -> Vectors:
        """Return the vectors of `texts`.

        Raises:
            SystemExit: The response is not that of OpenAI's API.
        """
        body = {
            "model": self.model,
            "input": list(texts),
            "encoding_format": encoding_format,
            **self.options,
        }
        url = f"{self.url}/embeddings"
        try:
            response = httpx.post(url, json=body, timeout=RESPONSE_SECONDS).raise_for_status()
            items = sorted(response.json()["data"], key=lambda item: item["index"])
            return np.stack([_decoded(item["embedding"], encoding_format) for item in items])
        except httpx.HTTPStatusError as error:
            reason = f"status {error.response.status_code}: {error.response.text[:200]}"
        except (httpx.TransportError, ValueError, KeyError, TypeError) as error:
            reason = repr(error)
        raise SystemExit(f"{self.name}: no vectors from {url} with model '{self.model}': {reason}")


def _decoded(embedding: Any, encoding_format: str) -> Vectors:
    if isinstance(embedding, str) != (encoding_format == "base64"):
        raise TypeError(f"an embedding is a {type(embedding).__name__}, not {encoding_format}")
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), "<f4")
    return np.array(embedding, np.float32)


def min_cosine(name: str, vectors: Vectors, reference: Vectors) -> float:
    """Return the minimum cosine of `vectors` to those of `reference`, row by row.

    Raises:
        SystemExit: The shapes differ, or it is below `MIN_COSINE`.
    """
    if vectors.shape != reference.shape:
        raise SystemExit(
            f"{name}: vectors of shape {vectors.shape}, but those of the reference have "
            f"{reference.shape}: serve the same checkpoint"
        )
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    found = float(((vectors * reference).sum(axis=1) / norms).min())
    # Also if it is not a number.
    if not found >= MIN_COSINE:
        raise SystemExit(
            f"{name}: the cosine of a vector to sentence-transformers' is {found:.4f}, less than "
            f"{MIN_COSINE}: serve the same checkpoint, with its pooling"
        )
    return found
