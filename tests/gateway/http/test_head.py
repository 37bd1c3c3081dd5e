from __future__ import annotations

import pytest

from testing.http_server import exchange, serving
from triton_embed.gateway.http.head import MAX_HEAD_BYTES

REQUEST = b"GET /echo/1 HTTP/1.1\r\nhost: gateway\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [REQUEST, *[b"x" * 1024] * 70],
        [REQUEST, *[b"x-header: y\r\n" * 100] * 70],
        [b"GET /", *[b"x" * 1024] * 70],
        [REQUEST + b"x: " + b"y" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n"],
    ],
    ids=["name", "headers", "target", "whole"],
)
async def test_head_over_the_limit_is_rejected_and_the_connection_closed(
    parts: list[bytes],
) -> None:
    (response,) = await exchange(*parts)
    assert (response.status, response.json()["code"]) == (431, "request_head_too_large")


async def test_head_up_to_the_limit_is_accepted() -> None:
    head = REQUEST + b"connection: close\r\nx: " + b"y" * (MAX_HEAD_BYTES - 200) + b"\r\n\r\n"
    parts = [head[start : start + 10_000] for start in range(0, len(head), 10_000)]
    (response,) = await exchange(*parts)
    assert response.status == 200


async def test_head_that_follows_a_body_in_the_same_packet_is_not_too_large() -> None:
    body = b"x" * (MAX_HEAD_BYTES + 1)
    post = b"POST /echo/1 HTTP/1.1\r\nhost: gateway\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(post)
        writer.write(body + REQUEST)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(len(body)) == body
        writer.write(b"connection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"GET /echo/1 HTTP/1.1\r\n\r\n", "invalid_host"),
        (b"GET /echo/1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "invalid_host"),
        (b"GET /echo/1 HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", "invalid_host"),
        (b"GET /echo/1 HTTP/2.0\r\nHost: a\r\n\r\n", "unsupported_http_version"),
        (b"GET /echo/1 HTTP/0.9\r\nHost: a\r\n\r\n", "unsupported_http_version"),
        (b"GET /echo/1\r\n\r\n", "unsupported_http_version"),
        *(
            (
                b"POST /echo/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %b\r\n\r\n0\r\n\r\n"
                % value,
                "unsupported_encoding",
            )
            for value in (b"gzip, chunked", b"gzip", b"identity")
        ),
        (
            b"POST /echo/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Length: 3\r\n\r\n0\r\n\r\n",
            "invalid_http",
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "invalid_http"),
        (b"nonsense\r\n\r\n", "invalid_http"),
        (b"\x16\x03\x01\x02\x00", "invalid_http"),
    ],
)
async def test_ambiguous_head_is_rejected_with_an_error_body(head: bytes, code: str) -> None:
    (response,) = await exchange(head)
    assert response.status == 400
    assert (response.json()["code"], response.json()["type"]) == (code, "invalid_request_error")
    assert response.headers["connection"] == "close"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("value", [b"chunked", b"Chunked"])
async def test_chunked_body_is_accepted(value: bytes) -> None:
    (response,) = await exchange(
        b"POST /echo/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: %b\r\n\r\n"
        b"2\r\nab\r\n0\r\n\r\n" % value
    )
    assert (response.status, response.body) == (200, b"ab")


async def test_http_1_0_needs_no_host() -> None:
    (response,) = await exchange(b"GET /echo/1 HTTP/1.0\r\n\r\n")
    assert response.status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://gateway/echo/1?key=value", 200),
        (b"http://gateway", 404),
        (b"http://gateway?key=value", 404),
    ],
)
async def test_whole_url_is_accepted_as_target(target: bytes, status: int) -> None:
    (response,) = await exchange(
        b"GET %b HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n" % target
    )
    assert response.status == status


@pytest.mark.parametrize("target", [b"http://[::1", b"http://gateway:99999/echo/1"])
async def test_malformed_url_is_rejected_by_name(target: bytes) -> None:
    (response,) = await exchange(b"GET %b HTTP/1.1\r\nhost: gateway\r\n\r\n" % target)
    assert (response.status, response.json()["code"]) == (400, "invalid_http")
    assert f"'{target.decode()}'" in response.json()["message"]
