from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI

from testing.asgi import asgi_client
from triton_embed.gateway.app import create
from triton_embed.gateway.settings import Settings

ORIGIN = "https://app.example.org"

PROTECTED = Settings(api_keys=("key",), cors_origins=(ORIGIN,), max_body_bytes=1024)


def started(settings: Settings, *, ready: bool = True) -> FastAPI:
    """Return the application as if it had connected to a Triton without models."""
    app = create(settings)
    app.state.services = SimpleNamespace(catalog=SimpleNamespace(models=[], ready=ready))
    return app


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer key"}, 413),
    ],
)
async def test_rejections_have_an_id_and_the_headers_that_browsers_need(
    headers: dict[str, str], status: int
) -> None:
    async with asgi_client(started(PROTECTED)) as client:
        response = await client.post(
            "/v1/embeddings", content=b"x" * 2000, headers={"origin": ORIGIN, **headers}
        )
    assert response.status_code == status
    assert len(response.headers["x-request-id"]) == 32
    assert response.headers["access-control-allow-origin"] == ORIGIN


async def test_browsers_may_call_a_private_network_and_read_our_headers() -> None:
    async with asgi_client(started(Settings(cors_origins=(ORIGIN,)))) as client:
        requested = {"origin": ORIGIN, "access-control-request-private-network": "true"}
        preflight = await client.options(
            "/v1/embeddings", headers={**requested, "access-control-request-method": "POST"}
        )
        response = await client.get("/v1/version", headers={"origin": ORIGIN})
    assert preflight.headers["access-control-allow-private-network"] == "true"
    assert response.headers["access-control-expose-headers"] == "retry-after, x-request-id"


async def test_path_is_normalized_before_its_key_is_checked() -> None:
    app = started(PROTECTED)
    app.state.services.metrics = SimpleNamespace(render=lambda: b"a 1\n")
    async with asgi_client(app) as client:
        assert (await client.get("/metrics/")).status_code == 200
        assert (await client.get("/openai/v1/models")).status_code == 401


async def test_open_application_needs_no_key_and_allows_no_origin() -> None:
    async with asgi_client(started(Settings())) as client:
        response = await client.get("/v1/version", headers={"origin": ORIGIN})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "ready", "status", "message"),
    [
        ("/v1/health/live", False, 200, "Service is live."),
        ("/v1/health/ready", True, 200, "Service is ready."),
        ("/v1/health/ready", False, 503, "Service is not ready."),
    ],
)
async def test_health_depends_on_the_catalog(
    method: str, path: str, ready: bool, status: int, message: str
) -> None:
    async with asgi_client(started(Settings(), ready=ready)) as client:
        response = await client.request(method, path)
    assert response.status_code == status
    body = {"object": "health-response", "message": message}
    assert method == "HEAD" or response.json() == body


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/v1/unknown", 404, "not_found", "The path /v1/unknown does not exist"),
        ("/v1/metadata/x", 404, "not_found", "The path /v1/metadata/x does not exist"),
        (
            "/v1/embeddings",
            405,
            "method_not_allowed",
            "Method GET is not allowed for /v1/embeddings",
        ),
        (
            "/v1/models",
            503,
            "unavailable",
            "There is no model yet: none is loaded, or none was exported.",
        ),
    ],
)
async def test_every_error_has_the_same_body(
    path: str, status: int, code: str, message: str
) -> None:
    async with asgi_client(started(Settings())) as client:
        response = await client.get(path)
    assert response.status_code == status
    body: dict[str, Any] = response.json()
    assert body["object"] == "error"
    assert body["code"] == body["error"]["code"] == code
    assert body["message"] == body["error"]["message"] == message
    assert ("retry-after" in response.headers) == (status == 503)


@pytest.mark.parametrize("path", ["/v1/version", "/v1/license", "/docs", "/openapi.json"])
async def test_every_page_responds_to_head(path: str) -> None:
    async with asgi_client(started(Settings())) as client:
        assert (await client.head(path)).status_code == 200


async def test_host_header_does_not_change_the_path_in_a_message() -> None:
    async with asgi_client(started(Settings())) as client:
        response = await client.get("/v1/unknown", headers={"host": "x/other?"})
    assert response.json()["message"] == "The path /v1/unknown does not exist"


async def test_unexpected_exception_gets_an_error_body(caplog: pytest.LogCaptureFixture) -> None:
    app = started(Settings())
    del app.state.services
    async with asgi_client(app) as client:
        response = await client.get("/v1/models")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert response.headers["x-request-id"] in caplog.text


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics", "/v1/metrics"])
async def test_page_is_served(path: str) -> None:
    app = started(Settings())
    app.state.services.metrics = SimpleNamespace(render=lambda: b"a 1\n")
    async with asgi_client(app) as client:
        assert (await client.get(path)).status_code == 200
