"""Requests to one server, repeated while it is unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import quote

import httpx

from triton_embed.client.concurrency import MAX_IN_FLIGHT, ConcurrencyLimit
from triton_embed.client.errors import (
    InvalidResponse,
    RequestRejected,
    ServerFailed,
    ServerUnavailable,
)
from triton_embed.client.options import EmbedOptions
from triton_embed.client.retry import RETRIED, RETRY_SECONDS, pause_seconds
from triton_embed.client.wire import (
    Encoding,
    Vectors,
    read_rejection,
    read_vectors,
    request_body,
)

TIMEOUT = httpx.Timeout(600.0, connect=10.0)
"""Seconds to wait for a part of a response, and for a connection. A list takes long on a busy
server; if a machine disappears without closing its connections, a request fails after this time."""

MAX_INTERNAL_ERRORS = 3
"""Attempts at a request to which the server responds with 500: a defect that another attempt rarely
avoids, so that retries for `Server.retry_seconds` would waste time."""


@dataclass(frozen=True)
class Server:
    """The address of a server, and the limits on requests to it.

    Attributes:
        url: Base URL, with or without the final ``/v1``.
        api_key: Sent as ``Authorization: Bearer KEY``; empty: none is sent.
        retry_seconds: Time for which requests are sent again after the server's last response.
        max_in_flight: Maximum requests in flight.
        headers: Further headers of each request.
        transport: Replaces the network, in tests.
    """

    url: str = "http://127.0.0.1:8000"
    api_key: str = field(default="", repr=False)
    retry_seconds: float = RETRY_SECONDS
    max_in_flight: int = MAX_IN_FLIGHT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    transport: httpx.AsyncBaseTransport | None = None

    @property
    def api(self) -> str:
        """Base URL of the API, which ends in ``/v1``."""
        return f"{self.url.rstrip('/').removesuffix('/v1')}/v1"


class Connection:
    """Connections to a server, and the number of requests that it can take.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        headers = dict(server.headers)
        if server.api_key:
            headers["Authorization"] = f"Bearer {server.api_key}"
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=server.max_in_flight)
        # Loading the certificates of authorities takes 50 ms; redirects are not followed.
        is_plain = server.url.startswith("http://")
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=TIMEOUT,
            limits=limits,
            transport=server.transport,
            verify=not is_plain,
        )
        self._server = server
        self._limit = ConcurrencyLimit(server.max_in_flight)
        self._available_at = float("-inf")

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def embed(
        self, options: EmbedOptions, inputs: Sequence[str], encoding: Encoding = "base64"
    ) -> Vectors:
        """Embed the inputs of one request.

        Raises:
            RequestRejected: the server rejects the request.
            ServerFailed: it responds with 500 to each attempt.
            ServerUnavailable: it does not respond within the time for retries.
            InvalidResponse: the response is not one of ``/v1/embeddings``.
        """
        body = request_body(options, inputs, encoding)
        reply, started = await self._send("POST", "embeddings", body)
        if reply.status_code != HTTPStatus.OK:
            raise _error(reply)
        vectors = read_vectors(reply.content, len(inputs), options)
        self._limit.succeeded(started, vectors.tokens or len(inputs))
        return vectors

    async def describe(self, model: str) -> dict[str, Any]:
        """Return the description of a model in ``/v1/models``.

        Empty if the server does not describe it: OpenAI's API requires only the id.

        Raises:
            RequestRejected: the server requires another API key.
            ServerUnavailable: it does not respond within the time for retries.
        """
        reply, _ = await self._send("GET", f"models/{quote(model, safe='/')}")
        if reply.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise _error(reply)
        try:
            body = reply.json() if reply.status_code == HTTPStatus.OK else {}
        except ValueError:
            body = {}
        return body if isinstance(body, dict) else {}

    async def _send(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[httpx.Response, float]:
        """Return the first response that needs no retry, and the time of its request.

        Requests without a body are not queued: they cost the server nothing.
        """
        is_queued = body is not None
        called = monotonic()
        failures = internal_errors = 0
        while True:
            async with self._limit.slot() if is_queued else nullcontext():
                started = monotonic()
                reply = await self._attempt(method, path, body)
                if isinstance(reply, httpx.Response) and reply.status_code not in RETRIED:
                    self._available_at = monotonic()
                    return reply, started
                failures += 1
                pause = pause_seconds(failures, getattr(reply, "headers", {}))
                is_defect = (
                    isinstance(reply, httpx.Response)
                    and reply.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
                )
                if is_defect:
                    internal_errors += 1
                else:
                    self._limit.overloaded(started, pause)
            # A long list waits for its turn; that is no time without a response.
            deadline = max(called, self._available_at) + self._server.retry_seconds
            if internal_errors >= MAX_INTERNAL_ERRORS or monotonic() + pause > deadline:
                kind = ServerFailed if is_defect else ServerUnavailable
                raise kind(f"{self._server.url}: {_reason(reply)}")
            if is_defect or not is_queued:
                # The other requests continue: an input of this one may be the reason.
                await asyncio.sleep(pause)

    async def _attempt(
        self, method: str, path: str, body: bytes | None
    ) -> httpx.Response | httpx.TransportError:
        headers = {"Content-Type": "application/json"} if body else None
        url = f"{self._server.api}/{path}"
        try:
            return await self._http.request(method, url, content=body, headers=headers)
        except httpx.TransportError as error:
            return error


def _error(reply: httpx.Response) -> RequestRejected | InvalidResponse:
    if reply.is_client_error:
        return read_rejection(reply.status_code, reply.content)
    return InvalidResponse(f"{reply.url}: HTTP status {reply.status_code}")


def _reason(reply: httpx.Response | httpx.TransportError) -> str:
    if isinstance(reply, httpx.Response):
        return f"HTTP status {reply.status_code}: {read_rejection(0, reply.content).message}"
    return f"no response ({reply or type(reply).__name__})"
