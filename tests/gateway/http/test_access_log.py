from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from testing.asgi import application, asgi_client
from testing.metrics import samples
from triton_embed.contract.errors import InvalidRequest
from triton_embed.gateway.http import access_log
from triton_embed.gateway.http.access_log import MAX_FIELD, AccessLogMiddleware
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.request_details import request_details

PATHS = ("/v1/embeddings", "/v1/models/{name}")


async def send(
    method: str,
    path: str,
    metrics: Metrics | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send a request through the middleware."""
    app = application(Middleware(AccessLogMiddleware, metrics=metrics or Metrics()), paths=PATHS)
    async with asgi_client(app) as client:
        return await client.request(method, path, headers=headers)


async def test_unexpected_exception_is_logged_with_the_id_of_the_response(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = await send("GET", "/failing", headers={"x-request-id": "mine"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert response.json()["message"] == "Internal server error; see the server log."
    assert response.headers["x-request-id"] == "mine"
    assert caplog.messages[0] == "unexpected error in request mine"
    assert "ZeroDivisionError" in caplog.text


async def test_exception_after_the_start_of_a_response_sends_no_second_response(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ZeroDivisionError

    sent = []

    async def record(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "app": Starlette()}
    await AccessLogMiddleware(app, Metrics())(scope, receive, record)
    (start,) = sent
    assert start["status"] == 200
    assert [name for name, _ in start["headers"]] == [b"x-request-id"]
    assert "ZeroDivisionError" in caplog.text


async def test_log_escapes_line_ends_of_paths(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    await send("GET", "/first%0Asecond")
    assert caplog.messages[-1].startswith("GET /first\\nsecond 404 in ")


async def test_log_has_the_texts_of_a_client_as_single_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    await send("GET", "/a%20200%20in%201.0%20ms")
    assert caplog.messages[-1].startswith(r"GET /a\x20200\x20in\x201.0\x20ms 404 in ")
    record = await record_of({"model": "m, tokens 5", "inputs": 1}, caplog)
    assert record.getMessage().endswith(r", model m,\x20tokens\x205, inputs 1")


async def test_error_is_the_last_field_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    error = InvalidRequest("no 'a, client 10.0.0.1'")
    record = await record_of({"error": error}, caplog, log_client_address=True)
    assert ", client 10.0.0.9, " in record.getMessage()
    assert record.getMessage().endswith(", error no 'a, client 10.0.0.1'")


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("/v1/embeddings", logging.INFO),
        ("/v1/models/a", logging.DEBUG),
        ("/v1/unknown", logging.INFO),
        ("/status/399", logging.DEBUG),
        ("/status/400", logging.INFO),
    ],
)
async def test_log_level_is_info_for_embeddings_and_errors(
    path: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gateway.access")
    response = await send("GET", path)
    (record,) = (record for record in caplog.records if record.name == "gateway.access")
    assert record.levelno == level
    fields = vars(record)
    assert fields["request_id"] == response.headers["x-request-id"]
    assert (fields["method"], fields["path"]) == ("GET", path)
    assert fields["status"] == response.status_code


async def test_log_has_the_duration_in_milliseconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([5.0, 5.0123456])
    monkeypatch.setattr(access_log, "perf_counter", lambda: next(times))
    caplog.set_level(logging.INFO, "gateway.access")
    response = await send("POST", "/v1/embeddings", headers={"x-request-id": "mine"})
    assert response.headers["content-length"] == "0"
    assert caplog.messages == ["POST /v1/embeddings 200 in 12.3 ms, request mine"]
    assert vars(caplog.records[0])["milliseconds"] == 12.346


async def record_of(
    details: Mapping[str, Any], caplog: pytest.LogCaptureFixture, **options: Any
) -> logging.LogRecord:
    """Return the log of a request to an application that sets these details."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in details.items():
            setattr(request_details(scope), name, value)
        scope["app"] = application(paths=PATHS)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/embeddings",
        "headers": [(b"x-forwarded-for", b"10.0.0.7\n"), (b"x-forwarded-for", b"10.0.0.8")],
        "client": ("10.0.0.9", 5000),
    }

    async def unused(*_: Any) -> Any:
        raise AssertionError

    caplog.set_level(logging.INFO, "gateway.access")
    await AccessLogMiddleware(app, Metrics(), **options)(scope, unused, unused)
    return caplog.records[-1]


async def test_log_has_the_reason_of_a_rejection(caplog: pytest.LogCaptureFixture) -> None:
    error = InvalidRequest("too\nlong", param="input", code="context_length_exceeded", index=3)
    details = {"error": error, "model": "a\nb", "inputs": 5, "tokens": 7}
    record = await record_of(details, caplog)
    fields = vars(record)
    expected = {
        "model": "a\\nb",
        "inputs": 5,
        "tokens": 7,
        "code": "context_length_exceeded",
        "param": "input",
        "error": "too\\nlong (input[3])",
    }
    assert {name: fields[name] for name in expected} == expected
    text = ", ".join(f"{name} {value}" for name, value in expected.items())
    assert record.getMessage().endswith(f", {text}")


async def test_log_has_only_known_facts(caplog: pytest.LogCaptureFixture) -> None:
    record = await record_of({"model": "m" * 10_000}, caplog)
    assert vars(record)["model"] == "m" * MAX_FIELD
    assert not vars(record).keys() & {"inputs", "tokens", "code", "param", "error", "client"}


async def test_log_has_the_address_of_the_client_if_requested(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields = vars(await record_of({}, caplog, log_client_address=True))
    assert fields["client"] == "10.0.0.9"
    assert fields["forwarded_for"] == "10.0.0.7\\n,10.0.0.8"


@pytest.mark.parametrize("path", ["/v1/health/ready", "/metrics"])
async def test_probes_are_not_counted(path: str) -> None:
    metrics = Metrics()
    app = application(Middleware(AccessLogMiddleware, metrics=metrics), paths=[path])
    async with asgi_client(app) as client:
        assert (await client.get(path)).status_code == 200
    assert path not in metrics.render().decode()


async def test_quiet_log_gets_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "gateway.access")
    await send("GET", "/v1/embeddings")
    assert not caplog.records


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("POST", "/v1/embeddings", 'method="POST",route="/v1/embeddings",status="200"'),
        ("GET", "/v1/models/a", 'method="GET",route="/v1/models/{name}",status="200"'),
        ("DELETE", "/v1/embeddings", 'method="DELETE",route="/v1/embeddings",status="405"'),
        *(
            (method, "/v1/embeddings", f'method="{method}",route="/v1/embeddings",status="405"')
            for method in ("OPTIONS", "PATCH", "PUT")
        ),
        ("HEAD", "/v1/embeddings", 'method="HEAD",route="/v1/embeddings",status="200"'),
        ("INVENTED", "/v1/embeddings", 'method="other",route="/v1/embeddings",status="405"'),
        ("GET", "/v1/invented", 'method="GET",route="other",status="404"'),
        ("GET", "/failing", 'method="GET",route="/failing",status="500"'),
    ],
)
async def test_requests_are_counted_by_route_method_and_status(
    method: str, path: str, labels: str
) -> None:
    metrics = Metrics()
    for _ in range(2):
        await send(method, path, metrics)
    values = samples(metrics.render().decode())
    assert values[f"triton_embed_http_requests_total{{{labels}}}"] == 2
    assert values[f"triton_embed_http_request_duration_seconds_count{{{labels}}}"] == 2
    assert values[f"triton_embed_http_request_duration_seconds_sum{{{labels}}}"] > 0


@pytest.mark.parametrize(
    ("path", "route"), [("/v1/embeddings", "/v1/embeddings"), ("/invented", "other")]
)
async def test_disconnected_client_is_counted_as_499_before_routing(path: str, route: str) -> None:
    async def disconnected(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = application(paths=PATHS)

    metrics = Metrics()
    scope = {"type": "http", "method": "POST", "path": path, "headers": []}

    async def unused(*_: Any) -> Any:
        raise AssertionError

    await AccessLogMiddleware(disconnected, metrics)(scope, unused, unused)
    labels = f'method="POST",route="{route}",status="499"'
    assert samples(metrics.render().decode())[f"triton_embed_http_requests_total{{{labels}}}"] == 1
