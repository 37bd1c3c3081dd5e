"""Rejections of whole connections, and the responses to the requests before."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from starlette.types import Receive, Scope, Send

from testing.http_server import exchange, logged_application, responses, serving
from testing.metrics import samples
from triton_embed.gateway.http import connection
from triton_embed.gateway.http.head import MAX_HEAD_BYTES
from triton_embed.gateway.metrics import Metrics

REQUEST = b"GET /echo/1 HTTP/1.1\r\nhost: gateway\r\n"

CHUNKED = b"transfer-encoding: chunked\r\n\r\n"

DEADLINE_SECONDS = 60.0

POST = b"POST /echo/1 HTTP/1.1\r\nhost: gateway\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [REQUEST],
        [POST + b"content-length: 5\r\n\r\nab"],
        [POST, b"content-length: 5\r\n\r\n"],
    ],
    ids=["head", "body", "no body"],
)
async def test_unfinished_request_ends_after_a_while(
    parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_IDLE_SECONDS", 0.05)
    (response,) = await exchange(*parts)
    assert (response.status, response.json()["code"]) == (408, "request_timeout")
    assert response.headers["x-request-id"]


async def test_malformed_body_gets_an_error_body() -> None:
    (response,) = await exchange(POST + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\nz\r\n")
    assert (response.status, response.json()["code"]) == (400, "invalid_http")
    assert response.headers["connection"] == "close"


async def test_malformed_request_follows_the_responses_to_earlier_requests() -> None:
    parts = [POST + b"content-length: 1\r\n\r\n%d" % number for number in range(5)]
    *earlier, last = await exchange(b"".join(parts) + b"garbage\r\n\r\n")
    assert [response.body for response in earlier] == [b"0", b"1", b"2", b"3", b"4"]
    assert (last.status, last.json()["code"]) == (400, "invalid_http")


async def test_malformed_body_follows_the_responses_to_earlier_requests() -> None:
    malformed = POST + b"transfer-encoding: chunked\r\n\r\nz\r\n"
    earlier, last = await exchange((POST + b"content-length: 1\r\n\r\na") + malformed)
    assert (earlier.body, last.status) == (b"a", 400)


async def test_rejected_request_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics()
    app = logged_application(metrics=metrics)
    (first,) = await exchange(b"GET /a?key=secret HTTP/1.1\r\nx-request-id: mine\r\n\r\n", app=app)
    (second,) = await exchange(b"garbage\r\n\r\n", app=app)
    assert first.headers["x-request-id"] == "mine"
    access = [record for record in caplog.records if record.name == "gateway.access"]
    assert access[0].getMessage().startswith("GET /a 400 in ")
    assert vars(access[0])["code"] == "invalid_host"
    assert access[1].getMessage().startswith("-  400 in ")
    assert vars(access[1])["request_id"] == second.headers["x-request-id"]
    assert "secret" not in caplog.text
    values = samples(metrics.render().decode())
    counter = "triton_embed_http_requests_total"
    assert values[f'{counter}{{method="GET",route="other",status="400"}}'] == 1
    assert values[f'{counter}{{method="other",route="other",status="400"}}'] == 1
    assert values['triton_embed_requests_rejected_total{reason="invalid_host"}'] == 1


@pytest.mark.parametrize("data", [b"", b"\r\n"], ids=["nothing", "empty line"])
async def test_connection_without_a_request_is_closed(data: bytes) -> None:
    async with serving(timeout_keep_alive=1) as connect:
        reader, writer = await connect()
        writer.write(data)
        assert await asyncio.wait_for(reader.read(), DEADLINE_SECONDS) == b""
        writer.close()


async def test_head_has_a_time_limit_although_bytes_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MAX_IDLE_SECONDS", 0.5)
    async with serving() as connect:
        reader, writer = await connect()
        reading = asyncio.ensure_future(reader.read())
        writer.write(REQUEST)
        for _ in range(int(DEADLINE_SECONDS / 0.1)):
            writer.write(b"x")
            if (await asyncio.wait([reading], timeout=0.1))[0]:
                break
        (response,) = responses(await reading)
        writer.close()
    assert (response.status, response.json()["code"]) == (408, "request_timeout")


@pytest.mark.parametrize(
    "parts",
    [
        [b"1\r\na\r\n0\r\n", *[b"x: y\r\n" * 500] * 50],
        [b"1\r\na\r\n0\r\n", *[b"x" * 1024] * 100],
        [b"1;", *[b"x" * 1024] * 100],
    ],
    ids=["trailers", "name of a trailer", "chunk extension"],
)
async def test_overhead_of_a_body_is_limited(parts: list[bytes]) -> None:
    (response,) = await exchange(POST + CHUNKED, *parts)
    assert (response.status, response.json()["code"]) == (400, "invalid_http")
    assert str(MAX_HEAD_BYTES) in response.json()["message"]


async def test_trailers_are_not_headers() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while scope["type"] == "http" and (await receive())["more_body"]:
            pass
        if scope["type"] == "http":
            names = json.dumps([name.decode() for name, _ in scope["headers"]])
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": names.encode()})

    body = b"1\r\na\r\n0\r\nx-forwarded-for: 10.0.0.1\r\n\r\n"
    head = POST + b"connection: close\r\n" + CHUNKED
    for parts in ([head + body], [head, body]):
        (response,) = await exchange(*parts, app=app)
        assert response.json() == ["host", "connection", "transfer-encoding"]
