from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.middleware import Middleware

from testing.asgi import application, asgi_client
from testing.metrics import samples
from triton_embed.gateway.http.body_limit import BodyLimitMiddleware
from triton_embed.gateway.metrics import Metrics

LIMIT = 10


async def post(metrics: Metrics, content: bytes, *, states_length: bool) -> httpx.Response:
    """Send a body, in one part or byte by byte without stating its length."""

    async def parts() -> AsyncIterator[bytes]:
        for byte in content:
            yield bytes([byte])

    layer = Middleware(BodyLimitMiddleware, limit=LIMIT, metrics=metrics)
    async with asgi_client(application(layer, paths=["/echo"])) as client:
        return await client.post("/echo", content=content if states_length else parts())


@pytest.mark.parametrize("states_length", [True, False])
@pytest.mark.parametrize("length", [0, 1, LIMIT])
async def test_body_up_to_the_limit_is_passed_on(states_length: bool, length: int) -> None:
    response = await post(Metrics(), b"x" * length, states_length=states_length)
    assert response.content == b"x" * length


@pytest.mark.parametrize("states_length", [True, False])
async def test_larger_body_is_rejected_and_counted_once(states_length: bool) -> None:
    metrics = Metrics()
    response = await post(metrics, b"x" * (LIMIT + 1), states_length=states_length)
    assert response.status_code == 413
    assert response.json()["message"] == "The request body is larger than 10 bytes."
    assert response.json()["code"] == "payload_too_large"
    rejected = 'triton_embed_requests_rejected_total{reason="payload_too_large"}'
    assert samples(metrics.render().decode())[rejected] == 1
