from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from testing.http_server import responses, serving
from triton_embed.gateway.http import half_close
from triton_embed.gateway.http.access_log import AccessLogMiddleware
from triton_embed.gateway.metrics import Metrics

REQUEST = b"GET /held HTTP/%b\r\nhost: gateway\r\n\r\n"


@dataclass
class Held:
    """An application whose responses are held until the client disconnects or `finish` is set.

    Attributes:
        received: Set by the first request.
        finish: Set by the test.
        disconnected: Set when the client has disconnected.
    """

    received: asyncio.Event = field(default_factory=asyncio.Event)
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> ASGIApp:
        layer = Middleware(AccessLogMiddleware, metrics=Metrics())
        return Starlette(routes=[Route("/held", self._respond)], middleware=[layer])

    async def _respond(self, request: Request) -> Response:
        await request.body()
        self.received.set()
        leaving = asyncio.ensure_future(request.receive())
        finishing = asyncio.ensure_future(self.finish.wait())
        await asyncio.wait([leaving, finishing], return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            self.disconnected.set()
        finishing.cancel()
        leaving.cancel()
        return Response("held")


@pytest.mark.parametrize("requests", [1, 3])
async def test_client_that_has_closed_its_side_gets_the_responses(
    requests: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gateway.access")
    monkeypatch.setattr(half_close, "FIRST_PROBE_SECONDS", 0.001)
    held = Held()
    async with serving(held.app()) as connect:
        reader, writer = await connect()
        writer.write(REQUEST % b"1.1" * requests)
        writer.write_eof()
        await held.received.wait()
        probes = await reader.readexactly(len(half_close.CONTINUE)) if requests == 1 else b""
        held.finish.set()
        data = await reader.read()
        writer.close()
    assert probes in (half_close.CONTINUE, b"")
    assert [response.body for response in responses(data)] == [b"held"] * requests
    assert [vars(record)["status"] for record in caplog.records] == [200] * requests


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_client_that_has_disconnected_is_detected(
    version: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_close, "FIRST_PROBE_SECONDS", 0.001)
    held = Held()
    async with serving(held.app()) as connect:
        _, writer = await connect()
        writer.write(REQUEST % version)
        await held.received.wait()
        writer.close()
        await asyncio.wait_for(held.disconnected.wait(), 60)
