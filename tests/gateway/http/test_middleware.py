"""`gateway.middleware`: what a client and the log see when something is wrong."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from triton_embed.gateway.http.middleware import RequestLog
from triton_embed.gateway.metrics import Metrics


async def ask(path: str = "/", **headers: str) -> httpx.Response:
    """Ask an application that always fails, through the log."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        state = SimpleNamespace(shared=SimpleNamespace(metrics=Metrics(tuple)))
        scope["app"] = SimpleNamespace(state=state, routes=[])
        await RequestLog(broken)(scope, receive, send)

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.get(path, headers=headers)


async def test_an_unexpected_error_is_answered_with_an_id_that_the_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = await ask(**{"x-request-id": "mine"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert answer.headers["x-request-id"] == "mine"
    assert "unexpected error in request mine" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_a_path_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    await ask("/first%0Asecond")
    assert caplog.messages[-1].startswith("GET /first\\nsecond 500 in ")


@pytest.mark.parametrize("given", ["", "not valid", "x" * 129])
async def test_an_id_that_could_harm_the_log_is_replaced(given: str) -> None:
    answer = await ask(**{"x-request-id": given})
    assert len(answer.headers["x-request-id"]) == 32
