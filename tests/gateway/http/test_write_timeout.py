from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send

from testing.http_server import serving
from testing.waiting import eventually_async
from triton_embed.gateway.http import write_timeout
from triton_embed.gateway.http.write_timeout import WriteTimeout

BODY = b"x" * (32 << 20)
"""More than the buffers of both sockets hold."""


class StubTransport:
    """A transport with unsent bytes.

    Attributes:
        unsent: The number of unsent bytes at each check, in order.
        aborted: Set when the connection is aborted.
    """

    def __init__(self, unsent: list[int]) -> None:
        self.unsent = unsent
        self.aborted = asyncio.Event()

    def set_write_buffer_limits(self, **_: int) -> None:
        """Accept any limits."""

    def get_write_buffer_size(self) -> int:
        """Return the next size; the last is repeated."""
        return self.unsent.pop(0) if len(self.unsent) > 1 else self.unsent[0]

    def abort(self) -> None:
        """End the connection."""
        self.aborted.set()


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_timeout, "MAX_UNREAD_SECONDS", 0.05)


@pytest.mark.parametrize("pipelined", [1, 3])
async def test_client_that_does_not_read_is_disconnected(pipelined: int) -> None:
    disconnected = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await receive()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": BODY, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        disconnected.set()

    async with serving(app) as connect:
        _, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n" * pipelined)
        await asyncio.wait_for(disconnected.wait(), 60)
        writer.close()


async def test_client_that_reads_slowly_stays_connected() -> None:
    transport = StubTransport([100, 90, 90, 80, 80, 70, 70, 70])
    timeout = WriteTimeout(cast(Any, transport))
    timeout.start()
    await asyncio.wait_for(transport.aborted.wait(), 60)
    assert transport.unsent == [70]


async def test_sent_response_ends_the_timeout() -> None:
    transport = StubTransport([100, 0])
    WriteTimeout(cast(Any, transport)).start()

    async def checked() -> bool:
        return transport.unsent == [0]

    await eventually_async(checked, message="the unsent bytes were checked")
    assert not transport.aborted.is_set()
