from __future__ import annotations

import asyncio

import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from testing.http_server import logged_application, responses, serving
from triton_embed.gateway.http import lingering
from triton_embed.gateway.http.body_limit import BodyLimitMiddleware

SIZE = 8 << 20
"""Bytes of a body that does not fit in the buffers of both sockets."""


def limited() -> ASGIApp:
    return logged_application(Middleware(BodyLimitMiddleware, limit=1024, budget=1024))


STATED = b"content-length: %d\r\n\r\n" % SIZE

CHUNKED = b"transfer-encoding: chunked\r\n\r\n%x\r\n" % SIZE


@pytest.mark.parametrize(
    "head",
    [
        b"POST /echo/1 HTTP/1.0\r\n" + STATED,
        b"POST /echo/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + STATED,
        b"POST /echo/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + CHUNKED,
    ],
    ids=["1.0", "stated", "chunked"],
)
async def test_client_that_sends_a_whole_body_over_the_limit_gets_the_response(
    head: bytes,
) -> None:
    async with serving(limited()) as connect:
        reader, writer = await connect()
        writer.write(head)
        # Like nginx, which reads the response once it has sent the body.
        for _ in range(SIZE >> 16):
            writer.write(b"x" * (1 << 16))
            await writer.drain()
        (response,) = responses(await reader.read())
        writer.close()
    assert (response.status, response.json()["code"]) == (413, "payload_too_large")
    assert response.headers["connection"] == "close"


async def test_connection_is_usable_after_a_body_over_the_limit() -> None:
    post = b"POST /echo/1 HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
    async with serving(limited()) as connect:
        reader, writer = await connect()
        writer.write(post % 5000 + b"x" * 5000)
        assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 413")
        writer.write(post % 1 + b"a")
        assert (await reader.readuntil(b"\r\n\r\na")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
async def test_discarded_bytes_are_limited(
    connection: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "MAX_DISCARDED_BYTES", 1 << 20)
    head = b"POST /echo/1 HTTP/1.1\r\nhost: a\r\nconnection: %b\r\ncontent-length: 99999999\r\n\r\n"
    async with serving(limited()) as connect:
        _, writer = await connect()
        writer.write(head % connection)
        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"x" * (1 << 16))
                await writer.drain()
        writer.close()


@pytest.mark.parametrize("limit", ["LINGER_SECONDS", "MAX_LINGER_SECONDS"])
async def test_client_that_stops_sending_is_disconnected_after_a_while(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, limit, 0.05)
    async with serving(limited()) as connect:
        reader, writer = await connect()
        writer.write(b"POST /echo/1 HTTP/1.0\r\ncontent-length: 5000\r\n\r\n")
        (response,) = responses(await reader.read())
        assert response.status == 413

        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                # Longer than the limit: each byte is progress.
                await asyncio.sleep(0.1)
