from __future__ import annotations

import httpx
import pytest
from starlette.middleware import Middleware

from testing.asgi import application, asgi_client
from triton_embed.gateway.http.api_keys import ApiKeyMiddleware

KEYS = ("first-key", "second-key")


async def get(path: str, **headers: str) -> httpx.Response:
    """Request `path` of a protected application that has any path."""
    layer = Middleware(ApiKeyMiddleware, keys=KEYS)
    async with asgi_client(application(layer, paths=["/{path:path}"])) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
@pytest.mark.parametrize("key", KEYS)
async def test_each_key_is_accepted(scheme: str, key: str) -> None:
    response = await get("/v1/embeddings", authorization=f"{scheme} {key}")
    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic first-key", "first-key", "Bearer first-key2"],
)
async def test_other_authorization_is_rejected(header: str) -> None:
    response = await get("/v1/embeddings", authorization=header)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert response.json()["message"] == "Send one of the server's API keys as a bearer token."
    assert response.headers["www-authenticate"] == "Bearer"


async def test_missing_authorization_is_rejected() -> None:
    assert (await get("/v1/embeddings")).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1/health/ready", "/v1/health/live", "/health/ready"),
        *("/metrics", "/v1/metrics", "/docs", "/openapi.json"),
    ],
)
async def test_public_path_needs_no_key(path: str) -> None:
    assert (await get(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/health", "/metrics/x", "/v2/metrics", "/v1/embeddings/metrics"]
)
async def test_other_path_needs_a_key(path: str) -> None:
    assert (await get(path)).status_code == 401
