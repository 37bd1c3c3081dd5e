"""A constant rate of requests whose every response is checked against reference vectors."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

MAX_ERROR = 1e-4
"""Maximum absolute difference between a component of a vector and the reference."""

RESPONSE_TIMEOUT_SECONDS = 60.0
"""Time in seconds after which a request without a response is lost."""

LIST_LENGTH = 3
"""Texts of the requests with several."""


@dataclass(frozen=True)
class CheckedRequest:
    """A request, and the response that it must get.

    Attributes:
        body: The body of ``POST /v1/embeddings``.
        expected: Vectors, float32 [n, dimension].
    """

    body: dict[str, Any]
    expected: NDArray[np.float32]


def checked_requests(model_id: str, checkpoint: Path, texts: Sequence[str]) -> list[CheckedRequest]:
    """Return requests with and without conversion, of single texts and of lists.

    Args:
        model_id: The model to request.
        checkpoint: Its checkpoint; sentence-transformers computes the reference vectors.
        texts: The texts.
    """
    from sentence_transformers import SentenceTransformer

    vectors = SentenceTransformer(str(checkpoint), device="cpu").encode(list(texts))
    # The postprocess step runs only for a request that states a dimension, here the model's own.
    sizes: tuple[dict[str, int], ...] = ({}, {"dimensions": vectors.shape[1]})
    chunks = [slice(i, i + n) for n in (1, LIST_LENGTH) for i in range(len(texts) - n + 1)]
    return [
        CheckedRequest({"model": model_id, "input": list(texts[chunk]), **size}, vectors[chunk])
        for chunk in chunks
        for size in sizes
    ]


class CheckedLoad:
    """Sends requests at a constant rate while in the block, and checks each response.

    Args:
        url: Base URL of the service.
        requests: The requests to choose from.
        rate: Requests per second.

    Attributes:
        outcomes: ``200``, ``503`` or ``disconnected`` of each request.
        served: Number of requests with correct vectors.
        rejections: Number of 503 responses by their text.
        violations: Descriptions of responses that are wrong, and of requests that are lost.
        may_disconnect: Whether connections may be closed: the HTTP server was killed.
        served_at: Time at which the last request was sent that was served, of `monotonic`.
        client: Sends the requests.
    """

    def __init__(self, url: str, requests: Sequence[CheckedRequest], rate: float) -> None:
        self.outcomes: list[str] = []
        self.served = 0
        self.rejections: Counter[str] = Counter()
        self.violations: list[str] = []
        self.may_disconnect = False
        self.served_at = 0.0
        limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
        self.client = httpx.AsyncClient(
            base_url=url, timeout=RESPONSE_TIMEOUT_SECONDS, limits=limits, trust_env=False
        )
        self._requests = requests
        self._pause = 1 / rate
        self._random = random.Random(0)
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> CheckedLoad:
        self._sending = asyncio.ensure_future(self._send())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sending.cancel()
        with suppress(asyncio.CancelledError):
            await self._sending
        if self._open:
            await asyncio.wait(self._open)
        await self.client.aclose()

    async def _send(self) -> None:
        due = monotonic()
        while True:
            request = asyncio.ensure_future(self.send(self._random.choice(self._requests)))
            self._open.add(request)
            request.add_done_callback(self._open.discard)
            due += self._pause
            await asyncio.sleep(due - monotonic())

    async def send(self, request: CheckedRequest) -> None:
        """Send one request, and check its response."""
        sent, may_disconnect = monotonic(), self.may_disconnect
        try:
            response = await self.client.post("/v1/embeddings", json=request.body)
        except httpx.TransportError as error:
            if isinstance(error, httpx.TimeoutException) or not (
                may_disconnect or self.may_disconnect
            ):
                self.violations.append(f"no response after {monotonic() - sent:.1f} s: {error!r}")
            self.outcomes.append("disconnected")
            return
        self.outcomes.append(str(response.status_code))
        if fault := _fault(response, request):
            self.violations.append(fault)
        elif response.status_code == 200:
            self.served += 1
            self.served_at = max(self.served_at, sent)
        if response.status_code == 503:
            self.rejections[response.text] += 1


def _fault(response: httpx.Response, request: CheckedRequest) -> str:
    """Return the fault of a response; empty if it is correct."""
    if response.status_code == 503:
        retry_after = response.headers.get("retry-after", "")
        return "" if retry_after.isdecimal() else "a 503 without Retry-After"
    if response.status_code != 200:
        return f"status {response.status_code}: {response.text[:300]}"
    vectors = np.array([item["embedding"] for item in response.json()["data"]], np.float32)
    if vectors.shape != request.expected.shape:
        return f"vectors of shape {vectors.shape} instead of {request.expected.shape}"
    error = float(np.abs(vectors - request.expected).max())
    return "" if error <= MAX_ERROR else f"a vector differs from the reference by {error:.2g}"
