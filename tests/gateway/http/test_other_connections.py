"""Connections other than HTTP requests pass through every middleware."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp

from triton_embed.gateway.http.access_log import AccessLogMiddleware
from triton_embed.gateway.http.api_keys import ApiKeyMiddleware
from triton_embed.gateway.http.body_limit import BodyLimitMiddleware
from triton_embed.gateway.metrics import Metrics


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda app: AccessLogMiddleware(app, Metrics()),
        lambda app: ApiKeyMiddleware(app, ("key",)),
        lambda app: BodyLimitMiddleware(app, 10, 10),
    ],
)
async def test_connection_is_passed_on(wrap: Callable[[ASGIApp], ASGIApp], kind: str) -> None:
    received = []

    async def app(*connection: Any) -> None:
        received.append(connection)

    async def unused(*_: Any) -> Any:
        raise AssertionError

    connection = {"type": kind}, unused, unused
    await wrap(app)(*connection)
    assert received == [connection]
