"""Requests of the overload benchmark: prepared in advance, sent when due, each response checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import httpx
import numpy as np

from benchmarks.server import MODEL_ID

SIZES = range(1, 33)
"""Numbers of texts in a request."""

BODIES = 10
"""Prepared requests of each size; they differ in their texts."""

MAX_OPEN_REQUESTS = 800
"""Maximum requests without a response; more would exhaust the file descriptors of this process."""

RESPONSE_TIMEOUT_SECONDS = 120.0
"""A request without any byte of the response after this time has failed."""

PAUSE_SECONDS = 0.1
"""Pause after a 503 in a closed loop; shorter than Retry-After, so that the server never idles."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one request.

    Attributes:
        inputs: Number of texts.
        seconds: Time from its due time to the last byte of the response.
        status: HTTP status; 0 without a response.
        fault: The error in the response; empty if it is correct.
    """

    inputs: int
    seconds: float
    status: int
    fault: str


class Client:
    """Sends requests over persistent connections.

    Args:
        url: Base URL of the server.
        texts: Texts to embed, repeatedly.
    """

    def __init__(self, url: str, texts: Sequence[str]) -> None:
        # One connection for each open request. uvicorn closes idle ones after 5 s by default;
        # expire them earlier, so that no request is sent over a connection that is being closed.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
        self._http = httpx.AsyncClient(
            base_url=url, limits=limits, timeout=RESPONSE_TIMEOUT_SECONDS
        )
        starts = [index * (len(texts) - SIZES.stop) // BODIES for index in range(BODIES)]
        self._bodies = {
            size: [body_of(texts[start : start + size]) for start in starts] for size in SIZES
        }
        self._sent = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, inputs: int, due: float | None = None) -> Outcome:
        """Request `inputs` embeddings; the latency counts from `due`, by default from now."""
        start = due or perf_counter()
        self._sent += 1
        body = self._bodies[inputs][self._sent % BODIES]
        status = 0
        try:
            response = await self._http.post("/v1/embeddings", content=body)
            status, fault = response.status_code, _fault(response, inputs)
        except httpx.TransportError as error:
            fault = f"no response: {error!r}"
        return Outcome(inputs, perf_counter() - start, status, fault)


class OpenLoop:
    """Requests that are sent when due, whether or not earlier ones have a response.

    Args:
        client: Client to send them with.
        rate: Texts per second.
        seconds: Duration.

    Attributes:
        withheld: Requests that were due and not sent, because too many were open.
    """

    def __init__(self, client: Client, rate: float, seconds: float) -> None:
        generator = np.random.default_rng(0)
        count = int(rate * seconds / np.mean(SIZES))
        self._client = client
        self._sizes = generator.choice(SIZES, count).tolist()
        self._due = np.sort(generator.uniform(0, seconds, count))
        self._tasks: list[asyncio.Task[Outcome]] = []
        self.withheld = 0

    async def send(self) -> None:
        """Send all requests; some may still be open at the end."""
        start = perf_counter()
        open_requests: set[asyncio.Task[Outcome]] = set()
        for inputs, due in zip(self._sizes, (start + self._due).tolist(), strict=True):
            await asyncio.sleep(max(0.0, due - perf_counter()))
            if len(open_requests) >= MAX_OPEN_REQUESTS:
                self.withheld += 1
                continue
            task = asyncio.create_task(self._client.send(inputs, due))
            open_requests.add(task)
            task.add_done_callback(open_requests.discard)
            self._tasks.append(task)

    async def outcomes(self) -> list[Outcome]:
        """Wait for the last response and return all outcomes."""
        return await asyncio.gather(*self._tasks)


async def closed_loop(client: Client, clients: int, inputs: int, seconds: float) -> float:
    """Return texts per second of `clients` that each wait for a response before the next request.

    Raises:
        SystemExit: A response is neither a correct 200 nor a correct 503.
    """
    start = perf_counter()
    embedded = 0

    async def work() -> None:
        nonlocal embedded
        while perf_counter() < start + seconds:
            outcome = await client.send(inputs)
            if outcome.fault:
                raise SystemExit(f"without overload: {outcome.fault}")
            if outcome.status == 200:
                embedded += inputs
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(work() for _ in range(clients)))
    return embedded / (perf_counter() - start)


def body_of(texts: Sequence[str]) -> bytes:
    """Return the body of a request with `texts` for the default model."""
    body = {"model": MODEL_ID, "input": texts, "truncate": "END", "encoding_format": "base64"}
    return json.dumps(body).encode()


def _fault(response: httpx.Response, inputs: int) -> str:
    """Return the error in `response`, or an empty text."""
    if response.status_code == 200:
        count = response.content.count(b'"embedding":')
        return "" if count == inputs else f"{count} embeddings for {inputs} inputs"
    if response.status_code != 503:
        return f"status {response.status_code}: {response.text[:200]}"
    if not response.headers.get("retry-after", "").isdigit():
        return "503 without Retry-After"
    try:
        body = response.json()
        correct = body["object"] == "error" and body["message"] == body["error"]["message"]
    except (ValueError, KeyError, TypeError):
        correct = False
    return "" if correct else f"503 with another body: {response.text[:200]}"
