from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from testing.asgi import application, asgi_client
from triton_embed.contract.errors import PayloadTooLarge
from triton_embed.gateway.api import errors
from triton_embed.gateway.http.body_limit import SMALL_BODY_BYTES, BodyLimitMiddleware

LIMIT = 10


async def post(content: bytes, *, states_length: bool) -> httpx.Response:
    """Send a body, in one part or byte by byte without stating its length."""

    async def parts() -> AsyncIterator[bytes]:
        for byte in content:
            yield bytes([byte])

    layer = Middleware(BodyLimitMiddleware, limit=LIMIT, budget=LIMIT)
    async with asgi_client(application(layer, paths=["/echo"])) as client:
        return await client.post("/echo", content=content if states_length else parts())


@pytest.mark.parametrize("states_length", [True, False])
@pytest.mark.parametrize("length", [0, 1, LIMIT])
async def test_body_up_to_the_limit_is_passed_on(states_length: bool, length: int) -> None:
    response = await post(b"x" * length, states_length=states_length)
    assert response.content == b"x" * length


@pytest.mark.parametrize("states_length", [True, False])
async def test_larger_body_is_rejected(states_length: bool) -> None:
    response = await post(b"x" * (LIMIT + 1), states_length=states_length)
    assert response.status_code == 413
    assert response.json()["message"] == "The request body is larger than 10 bytes."
    assert response.json()["code"] == "payload_too_large"


@pytest.mark.parametrize(
    ("headers", "limited"),
    [
        ([(b"content-length", b"10")], False),
        ([(b"content-length", b"ten")], True),
        ([(b"content-length", b"10"), (b"transfer-encoding", b"chunked")], True),
        ([(b"transfer-encoding", b"chunked"), (b"content-length", b"10")], True),
        ([(b"x-length", b"10")], True),
    ],
)
async def test_body_is_counted_unless_its_length_is_known(
    headers: list[tuple[bytes, bytes]], limited: bool
) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * (LIMIT + 1), "more_body": False}

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def send(message: Message) -> None:
        raise AssertionError

    request = BodyLimitMiddleware(read, LIMIT, LIMIT)(
        {"type": "http", "headers": headers}, receive, send
    )
    if limited:
        with pytest.raises(PayloadTooLarge):
            await request
    else:
        await request


async def test_body_with_a_length_over_the_limit_is_not_read() -> None:
    sent = []

    async def unused(*_: Any) -> Any:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"11")]}
    await BodyLimitMiddleware(unused, LIMIT, LIMIT)(scope, unused, send)
    assert sent[0]["status"] == 413


async def test_bodies_over_the_budget_are_rejected_until_others_are_done() -> None:
    size = SMALL_BODY_BYTES + 1
    arrived, finish = asyncio.Event(), asyncio.Event()

    async def hold(request: Request) -> Response:
        await request.body()
        arrived.set()
        await finish.wait()
        return Response()

    app = Starlette(routes=[Route("/hold", hold, methods=["POST"])])
    errors.install(app)
    limited = BodyLimitMiddleware(app, limit=3 * size, budget=2 * size)
    async with asgi_client(limited) as client:
        # One body is accepted even if it is over the budget.
        first = asyncio.ensure_future(client.post("/hold", content=b"x" * 3 * size))
        await arrived.wait()
        rejected = await client.post("/hold", content=b"x" * size)
        assert (rejected.status_code, rejected.headers["retry-after"]) == (503, "1")
        small = asyncio.ensure_future(client.post("/hold", content=b"x" * SMALL_BODY_BYTES))
        finish.set()
        assert (await first).status_code == (await small).status_code == 200
        assert (await client.post("/hold", content=b"x" * size)).status_code == 200
