"""Requests for the overload benchmark: made beforehand, sent when due, judged when answered."""

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
"""Texts of one request."""

BODIES = 10
"""Requests of each size; they differ in their texts."""

MAX_UNANSWERED = 800
"""Requests that may be open at a time, so that this process keeps enough file descriptors."""

ANSWER_SECONDS = 120.0
"""No byte for so long counts as no answer."""


PAUSE_SECONDS = 0.1
"""After a 503 in a closed loop; less than Retry-After, so that the server does not idle."""


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    Attributes:
        inputs: How many texts it had.
        seconds: From when it was due to be sent to the last byte of the answer.
        status: HTTP status; 0: there was no answer.
        fault: What is wrong with the answer; empty if nothing is.
    """

    inputs: int
    seconds: float
    status: int
    fault: str


class Client:
    """Sends requests over connections that it keeps.

    Args:
        url: Where the server is.
        texts: What is embedded, over and over.
    """

    def __init__(self, url: str, texts: Sequence[str]) -> None:
        # As many connections as there are requests. Unless it is told otherwise, uvicorn closes
        # idle ones after 5 s; do not send into that.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
        self._http = httpx.AsyncClient(base_url=url, limits=limits, timeout=ANSWER_SECONDS)
        starts = [index * (len(texts) - SIZES.stop) // BODIES for index in range(BODIES)]
        self._bodies = {
            size: [_body(texts[start : start + size]) for start in starts] for size in SIZES
        }
        self._sent = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, inputs: int, due: float | None = None) -> Answer:
        """Ask for `inputs` embeddings; latency counts from `due`, or from now."""
        start = due or perf_counter()
        self._sent += 1
        body = self._bodies[inputs][self._sent % BODIES]
        status = 0
        try:
            answer = await self._http.post("/v1/embeddings", content=body)
            status, fault = answer.status_code, _fault(answer, inputs)
        except httpx.TransportError as error:
            fault = f"no answer: {error!r}"
        return Answer(inputs, perf_counter() - start, status, fault)


class Offer:
    """Requests that are sent when they are due, whether or not earlier ones were answered.

    Args:
        client: Sends them.
        rate: Texts per second.
        seconds: How long.
    """

    def __init__(self, client: Client, rate: float, seconds: float) -> None:
        generator = np.random.default_rng(0)
        count = int(rate * seconds / np.mean(SIZES))
        self._client = client
        self._sizes = generator.choice(SIZES, count).tolist()
        self._due = np.sort(generator.uniform(0, seconds, count))
        self._tasks: list[asyncio.Task[Answer]] = []
        self.withheld = 0
        """Requests that were due but not sent, because too many were unanswered."""

    async def send(self) -> None:
        """Send everything; answers may still be missing at the end."""
        start = perf_counter()
        unanswered: set[asyncio.Task[Answer]] = set()
        for inputs, due in zip(self._sizes, (start + self._due).tolist(), strict=True):
            await asyncio.sleep(max(0.0, due - perf_counter()))
            if len(unanswered) >= MAX_UNANSWERED:
                self.withheld += 1
                continue
            task = asyncio.create_task(self._client.send(inputs, due))
            unanswered.add(task)
            task.add_done_callback(unanswered.discard)
            self._tasks.append(task)

    async def answers(self) -> list[Answer]:
        """Wait for the last answer and return all."""
        return await asyncio.gather(*self._tasks)


async def closed_loop(client: Client, clients: int, inputs: int, seconds: float) -> float:
    """Return texts per second of `clients` that each wait for an answer before they ask again.

    Raises:
        SystemExit: an answer was neither a good 200 nor a good 503.
    """
    start = perf_counter()
    done = 0

    async def ask() -> None:
        nonlocal done
        while perf_counter() < start + seconds:
            answer = await client.send(inputs)
            if answer.fault:
                raise SystemExit(f"without overload: {answer.fault}")
            if answer.status == 200:
                done += inputs
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(ask() for _ in range(clients)))
    return done / (perf_counter() - start)


def _body(texts: Sequence[str]) -> bytes:
    body = {"model": MODEL_ID, "input": texts, "truncate": "END", "encoding_format": "base64"}
    return json.dumps(body).encode()


def _fault(answer: httpx.Response, inputs: int) -> str:
    """Return what is wrong with `answer`, or nothing."""
    if answer.status_code == 200:
        count = answer.content.count(b'"embedding":')
        return "" if count == inputs else f"{count} embeddings for {inputs} inputs"
    if answer.status_code != 503:
        return f"status {answer.status_code}: {answer.text[:200]}"
    if not answer.headers.get("retry-after", "").isdigit():
        return "503 without Retry-After"
    try:
        body = answer.json()
        known = body["object"] == "error" and body["message"] == body["error"]["message"]
    except (ValueError, KeyError, TypeError):
        known = False
    return "" if known else f"503 with another body: {answer.text[:200]}"
