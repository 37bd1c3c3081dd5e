"""Limits on heads and on the time of unfinished requests, over real connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from testing.asgi import application
from testing.waiting import eventually_async
from triton_embed.gateway.http import connection
from triton_embed.gateway.http.connection import MAX_HEAD_BYTES, LimitedConnection

REQUEST = b"GET /echo/1 HTTP/1.1\r\nhost: gateway\r\n"


class Server(uvicorn.Server):
    """A server whose process keeps its signal handlers."""

    def install_signal_handlers(self) -> None:
        """Leave them."""


@asynccontextmanager
async def connections() -> AsyncIterator[Any]:
    """Serve an application, and yield a function that opens a connection."""
    server = Server(
        uvicorn.Config(application(), port=0, http=LimitedConnection, log_config=None, ws="none")
    )
    serving = asyncio.ensure_future(server.serve())

    async def started() -> bool:
        return server.started

    await eventually_async(started, message="the server has started")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        server.should_exit = True
        await serving


async def respond(*parts: bytes) -> tuple[int, dict[str, Any]]:
    """Send `parts`, and return the status and the body after the server has closed."""
    async with connections() as connect:
        reader, writer = await connect()
        for part in parts:
            writer.write(part)
            await writer.drain()
        response = await reader.read()
        writer.close()
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "parts",
    [
        [REQUEST, *[b"x" * 1024] * 70],
        [REQUEST, *[b"x-header: y\r\n" * 100] * 70],
        [b"GET /", *[b"x" * 1024] * 70],
        [REQUEST + b"x: " + b"y" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n"],
    ],
    ids=["name", "headers", "target", "whole"],
)
async def test_head_over_the_limit_is_rejected_and_the_connection_closed(
    parts: list[bytes],
) -> None:
    status, body = await respond(*parts)
    assert (status, body["code"]) == (431, "request_head_too_large")


async def test_head_up_to_the_limit_is_accepted() -> None:
    head = REQUEST + b"connection: close\r\nx: " + b"y" * (MAX_HEAD_BYTES - 200) + b"\r\n\r\n"
    async with connections() as connect:
        reader, writer = await connect()
        for start in range(0, len(head), 10_000):
            writer.write(head[start : start + 10_000])
            await writer.drain()
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        [REQUEST],
        [b"POST /echo/1 HTTP/1.1\r\nhost: gateway\r\ncontent-length: 5\r\n\r\nab"],
        [b"POST /echo/1 HTTP/1.1\r\nhost: gateway\r\n", b"content-length: 5\r\n\r\n"],
    ],
    ids=["head", "body", "no body"],
)
async def test_unfinished_request_ends_after_a_while(
    parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_IDLE_SECONDS", 0.05)
    status, body = await respond(*parts)
    assert (status, body["code"]) == (408, "request_timeout")


async def test_malformed_request_gets_an_error_body() -> None:
    status, body = await respond(b"nonsense\r\n\r\n")
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"
