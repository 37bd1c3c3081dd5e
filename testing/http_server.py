"""Our HTTP/1.1 connections over real sockets, in front of an application that echoes bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from testing.asgi import application
from testing.waiting import eventually_async
from triton_embed.gateway.http.access_log import AccessLogMiddleware
from triton_embed.gateway.http.pacing import PacedConnection
from triton_embed.gateway.metrics import Metrics

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Opens a connection to a server."""


@dataclass(frozen=True)
class Received:
    """A response.

    Attributes:
        status: Its status.
        headers: Its headers, with names in lower case.
        body: Its body.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Server(uvicorn.Server):
    """A server whose process keeps its signal handlers."""

    def install_signal_handlers(self) -> None:
        """Leave them."""


def logged_application(*layers: Middleware, metrics: Metrics | None = None) -> ASGIApp:
    """Return an application that echoes bodies, within the access log and `layers`."""
    log = Middleware(AccessLogMiddleware, metrics=metrics or Metrics())
    return application(log, *layers)


@asynccontextmanager
async def serving(app: ASGIApp | None = None, **options: Any) -> AsyncIterator[Connect]:
    """Serve `app` with uvicorn's `options`, and yield a function that opens a connection."""
    config = uvicorn.Config(
        app or logged_application(),
        port=0,
        http=PacedConnection,
        log_config=None,
        ws="none",
        **options,
    )
    server = Server(config)
    running = asyncio.ensure_future(server.serve())

    async def started() -> bool:
        return server.started

    await eventually_async(started, message="the server has started")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        server.should_exit = True
        await running


async def exchange(*parts: bytes, app: ASGIApp | None = None) -> list[Received]:
    """Send `parts` over one connection; return the responses until the server closes it."""
    async with serving(app) as connect:
        reader, writer = await connect()
        for part in parts:
            writer.write(part)
            await writer.drain()
        data = await reader.read()
        writer.close()
    return responses(data)


def responses(data: bytes) -> list[Received]:
    """Return the responses to GET or POST in `data`; interim responses are skipped."""
    stream = BytesIO(data)
    found = []
    while stream.tell() < len(data):
        response = HTTPResponse(cast(Any, SimpleNamespace(makefile=lambda mode: _Unclosed(stream))))
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        found.append(Received(response.status, headers, response.read()))
    return found


class _Unclosed:
    """A stream that the end of a response does not close."""

    def __init__(self, stream: BytesIO) -> None:
        self.read, self.readline, self.readinto = stream.read, stream.readline, stream.readinto
        self.closed = False

    def close(self) -> None:
        """Leave it open."""

    flush = close
