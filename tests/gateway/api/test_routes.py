from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from testing.asgi import asgi_client
from triton_embed.contract.errors import ClientDisconnected
from triton_embed.gateway.api import errors
from triton_embed.gateway.api.routes import read_body, router


def request(*messages: dict[str, Any]) -> Request:
    """Return a request whose server sends `messages`."""
    left: Iterator[dict[str, Any]] = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left)

    return Request({"type": "http"}, receive)


@pytest.mark.parametrize("parts", [[b""], [b"ab"], [b"a", b"", b"b"]])
async def test_body_is_read_to_its_end(parts: list[bytes]) -> None:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    del messages[-1]["more_body"]
    assert await read_body(request(*messages)) == b"".join(parts)


async def test_body_of_a_disconnected_client_is_not_used() -> None:
    part = {"type": "http.request", "body": b"ab", "more_body": True}
    with pytest.raises(ClientDisconnected):
        await read_body(request(part, {"type": "http.disconnect"}))


@pytest.fixture
def app() -> FastAPI:
    routes = router("tests")

    @routes.post("/shout/{word}", response_model=dict[str, str])
    async def shout(request: Request) -> JSONResponse:
        word = request.path_params["word"].upper()
        return JSONResponse({"word": word, "body": (await read_body(request)).decode()})

    @routes.get("/whisper/{word}", response_model=dict[str, str])
    async def whisper(request: Request) -> JSONResponse:
        return JSONResponse({"word": request.path_params["word"].lower()})

    app = FastAPI(routes=routes.routes)
    errors.install(app)
    return app


async def test_endpoint_gets_the_request(app: FastAPI) -> None:
    async with asgi_client(app) as client:
        response = await client.post("/shout/hey", content="you")
    assert response.json() == {"word": "HEY", "body": "you"}


async def test_head_gets_the_headers_of_get(app: FastAPI) -> None:
    async with asgi_client(app) as client:
        get, head = await client.get("/whisper/HEY"), await client.head("/whisper/HEY")
    assert head.status_code == get.status_code == 200
    assert head.headers == get.headers
    assert "head" not in app.openapi()["paths"]["/whisper/{word}"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/shout/hey", "POST"),
        ("HEAD", "/shout/hey", "POST"),
        ("POST", "/whisper/HEY", "GET, HEAD"),
    ],
)
async def test_other_method_is_rejected_with_the_allowed_methods(
    app: FastAPI, method: str, path: str, allowed: str
) -> None:
    async with asgi_client(app) as client:
        response = await client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    message = f"Method {method} is not allowed for {path}"
    assert method == "HEAD" or response.json()["message"] == message


def test_route_is_documented_with_its_responses(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/shout/{word}"]["post"]
    assert operation["tags"] == ["tests"]
    assert {"200", "400", "401", "404", "405", "413", "500", "503"} <= set(operation["responses"])
    rejected = operation["responses"]["413"]
    assert rejected["description"] == "The request body is larger than the server accepts."
    reference = rejected["content"]["application/json"]["schema"]["$ref"]
    schema = app.openapi()["components"]["schemas"][reference.rpartition("/")[2]]
    assert set(schema["required"]) == {"object", "error", "message", "type", "param", "code"}
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["additionalProperties"] == {"type": "string"}
