from __future__ import annotations

import httpx
import pytest
from starlette.middleware import Middleware

from testing.asgi import application, asgi_client
from triton_embed.gateway.http.cors import CorsMiddleware

ORIGIN = "https://app.example.org"


async def preflight(origin: str, method: str) -> httpx.Response:
    """Request permission as a browser does."""
    headers = {"origin": origin, "access-control-request-method": method}
    async with asgi_client(application(Middleware(CorsMiddleware, origins=[ORIGIN]))) as client:
        return await client.options("/echo/1", headers=headers)


async def test_allowed_origin_may_post() -> None:
    response = await preflight(ORIGIN, "POST")
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    ("origin", "method"), [("https://evil.example", "POST"), (ORIGIN, "DELETE"), ("null", "POST")]
)
async def test_other_preflight_request_is_rejected_with_an_error_body(
    origin: str, method: str
) -> None:
    response = await preflight(origin, method)
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers
    assert "Access-Control-Request-Method" in response.headers["vary"]
    body = response.json()
    assert body["code"] == body["error"]["code"] == "origin_not_allowed"
    assert f"'{origin}'" in body["message"] and method in body["message"]
