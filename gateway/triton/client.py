"""The gateway's connection to Triton: which models there are, and their embeddings."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
from numpy.typing import NDArray

from triton_embed.contract import tensors
from triton_embed.contract.errors import (
    ApiError,
    InternalError,
    InvalidRequest,
    Unavailable,
)
from triton_embed.contract.options import Options
from triton_embed.gateway.triton.connections import Answer, Connections
from triton_embed.gateway.triton.errors import step_error

logger = logging.getLogger("gateway")

DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "INT32": np.dtype("<i4"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
}

HEAD_LENGTH = "Inference-Header-Content-Length"
"""Header with the length of the JSON that tensors in binary follow."""

FROM_STATUS: dict[int, type[ApiError]] = {
    503: Unavailable,
    # We only name models that Triton has listed: one that is gone is being replaced.
    404: Unavailable,
}
"""What an HTTP status from Triton means; any other is an `InternalError`."""

MAX_INFERENCES = 256
"""Inferences asked for at a time, each over a connection of its own; more have to wait. So many
fill a batch, and leave the process enough file descriptors for its clients."""


@dataclass(frozen=True)
class EmbeddingBatch:
    """What Triton answered for one chunk of inputs.

    Attributes:
        vectors: [n, d] in the dtype asked for.
        token_counts: Tokens of each input that the encoder saw, int32 [n].
    """

    vectors: NDArray[Any]
    token_counts: NDArray[np.int32]

    def __getitem__(self, part: slice) -> EmbeddingBatch:
        """Return what was answered for some of the inputs."""
        return EmbeddingBatch(self.vectors[part], self.token_counts[part])

    @property
    def tokens(self) -> int:
        """Tokens over all inputs."""
        return int(self.token_counts.sum())


class InferenceClient:
    """A Triton server, over its HTTP API (KServe v2 with Triton's binary tensor extension).

    Must be made inside a running event loop.

    Args:
        address: ``host:port``.
        trace: Returns the headers to send along with an inference, from the caller's
            context.
    """

    def __init__(
        self, address: str, trace: Callable[[], tuple[tuple[str, str], ...]] = tuple
    ) -> None:
        self.trace = trace
        self._connections = Connections(address)
        self._places = asyncio.Semaphore(MAX_INFERENCES)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def statistics(self) -> list[dict[str, Any]]:
        """Return the statistics of every model that is loaded.

        They also serve as the list of models: Triton's repository index would need the right to
        load models.

        Raises:
            ApiError: Triton does not answer.
        """
        answer = await self._ask("GET", "/v2/models/stats")
        if answer.status != 200:
            # All of it is refused if one model is unloaded just then.
            answer = await self._ask("GET", "/v2/models/stats")
        if answer.status != 200:
            raise _translate(answer)
        statistics: list[dict[str, Any]] = orjson.loads(answer.body)["model_stats"]
        return statistics

    async def config(self, name: str) -> dict[str, Any] | None:
        """Return the configuration of a model, or ``None`` if it is not loaded.

        Raises:
            ApiError: Triton does not answer.
        """
        answer = await self._ask("GET", f"/v2/models/{quote(name)}/config")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise _translate(answer)
        config: dict[str, Any] = orjson.loads(answer.body)
        return config

    async def embed(
        self,
        ensemble: str,
        inputs: Sequence[bytes],
        options: Options,
        trace: tuple[tuple[str, str], ...],
    ) -> EmbeddingBatch:
        """Embed `inputs` as one request.

        Args:
            ensemble: Triton's name of the ensemble to ask.
            inputs: Texts, or token ids, as bytes.
            options: The options of the request.
            trace: Headers to send along.

        Raises:
            ApiError: Triton refused the request or could not answer it.
        """
        data = b"".join(part for item in inputs for part in (struct.pack("<I", len(item)), item))
        tensor = {
            "name": tensors.TEXT,
            "datatype": "BYTES",
            "shape": [len(inputs), 1],
            "parameters": {"binary_data_size": len(data)},
        }
        parameters = {**options.to_parameters(), "binary_data_output": True}
        head = orjson.dumps({"parameters": parameters, "inputs": [tensor]})
        async with self._places:
            answer = await self._ask(
                "POST",
                f"/v2/models/{ensemble}/infer",
                {HEAD_LENGTH: str(len(head)), **dict(trace)},
                head + data,
            )
        if answer.status != 200:
            error = _translate(answer)
            if not isinstance(error, InvalidRequest):
                logger.error("Triton: %d %s", answer.status, error)
            raise error
        answered = _tensors(answer)
        return EmbeddingBatch(
            answered[tensors.EMBEDDINGS], answered[tensors.TOKEN_COUNT].reshape(-1)
        )

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        try:
            return await self._connections.ask(method, path, headers, body)
        except OSError as error:
            raise Unavailable(f"Triton cannot be reached: {error}") from error


def _tensors(answer: Answer) -> dict[str, NDArray[Any]]:
    """Return the tensors of an inference by name."""
    start = int(answer.headers[HEAD_LENGTH.lower()])
    arrays: dict[str, NDArray[Any]] = {}
    for output in orjson.loads(memoryview(answer.body)[:start])["outputs"]:
        dtype = DTYPES[output["datatype"]]
        size = output["parameters"]["binary_data_size"]
        flat = np.frombuffer(answer.body, dtype, size // dtype.itemsize, start)
        # orjson needs aligned numbers, and the JSON before them may have any length.
        arrays[output["name"]] = np.require(flat, requirements=["ALIGNED"]).reshape(output["shape"])
        start += size
    return arrays


def _translate(answer: Answer) -> ApiError:
    """Return our error for Triton's, without the ensemble's name that Triton puts before it."""
    try:
        message = str(orjson.loads(answer.body)["error"])
    except (ValueError, KeyError, TypeError):
        message = f"Triton answered with status {answer.status}"
    if answer.status == 400 and (wrong := step_error(message)):
        return wrong
    return FROM_STATUS.get(answer.status, InternalError)(message)
