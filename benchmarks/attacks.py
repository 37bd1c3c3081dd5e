"""Requests that try to stop the service for others. Each attack is one round of requests."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from random import Random
from time import sleep
from urllib.parse import urlsplit

from benchmarks.server import MODEL_ID

CLOSED = 0
"""Recorded in place of a status if the server closed the connection without a response."""

TIMEOUT_SECONDS = 300.0
"""A request without a response after this time has failed."""

TEXT_BYTES = 1 << 20
"""Bytes of an endless text: the server's limit."""

BODY_BYTES = 32 << 20
"""Bytes of a large body: the server's default limit."""

HEAD_BYTES = 8 << 20
"""Bytes of an endless request head, of which the server accepts 64 KiB."""

TEXTS: Mapping[str, Callable[[], str]] = {
    "words of 100 letters": lambda: ("z" * 100 + " ") * (TEXT_BYTES // 101),
    "Chinese": lambda: "向量检索把文本变成数字" * (TEXT_BYTES // 33),
    "one endless word": lambda: "z" * TEXT_BYTES,
    "Korean without spaces": lambda: "가나다라마바사" * (TEXT_BYTES // 21),
    "base64": lambda: b64encode(Random(0).randbytes(TEXT_BYTES * 3 // 4)).decode(),
}
"""Texts of a megabyte. A tokenizer needs between 0.3 and 7 s for the whole of each."""

LARGE_BODIES = {
    "text of 31 MiB": (b'"', b"x", b'"]}'),
    "32 MiB of lone surrogates": (b'"', rb"\ud83d", b'"]}'),
    "16 million numbers": (b"", b"1,", b"1]}"),
    "11 million lists": (b"", b"[],", b"[]]}"),
    "11 million texts": (b"", b'"",', b'""]}'),
}
"""Beginning, repeated part and end of inputs just below the limit, all of which are rejected."""

TRUNCATIONS = ("NONE", "START", "END")


@dataclass(frozen=True)
class Attack:
    """One kind of hostile requests.

    Attributes:
        name: Description for the report.
        send: Sends one round to a base URL and returns the statuses.
        expected: The statuses that it may have.
    """

    name: str
    send: Callable[[str], Counter[int]]
    expected: frozenset[int]


def attacks(requests: int = 40, bodies: int = 28) -> list[Attack]:
    """Return all attacks.

    Args:
        requests: Requests of a round with texts, heads, or unfinished requests.
        bodies: Requests of a round with large bodies.
    """
    return [
        *(
            Attack(
                f"{requests} x {name}, truncate {truncate}",
                partial(_post, partial(_text_body, text, truncate), requests),
                # An endless word is a single token for BERT, and not over the limit.
                frozenset({200, 503, 400} if truncate == "NONE" else {200, 503}),
            )
            for name, text in TEXTS.items()
            for truncate in TRUNCATIONS
        ),
        *(
            Attack(
                f"{requests} x {name}", partial(_endless, start, requests), frozenset({431, CLOSED})
            )
            for name, start in ENDLESS_HEADS.items()
        ),
        *(
            Attack(
                f"{requests} x unfinished {name}",
                partial(_unfinished, start, requests),
                frozenset({CLOSED}),
            )
            for name, start in UNFINISHED.items()
        ),
        *(
            Attack(
                f"{bodies} x {name}",
                partial(_post, partial(_large_body, *parts), bodies),
                frozenset({400, 503, CLOSED}),
            )
            for name, parts in LARGE_BODIES.items()
        ),
    ]


ENDLESS_HEADS = {
    "endless header": b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nX-Endless: ",
    "endless header name": b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nX-",
    "endless target": b"POST /v1/embeddings?",
}

UNFINISHED = {
    "head": b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nX-Unfinished: ",
    "body": b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{",
}


UNFINISHED_SECONDS = 1.0
"""Time in which unfinished requests are held open; the server waits for a minute."""


def _text_body(make: Callable[[], str], truncate: str) -> bytes:
    return json.dumps({"model": MODEL_ID, "input": make(), "truncate": truncate}).encode()


def _large_body(first: bytes, repeated: bytes, last: bytes) -> bytes:
    start = b'{"model": "%s", "input": [' % MODEL_ID.encode() + first
    return start + repeated * ((BODY_BYTES - 100) // len(repeated)) + last


def _post(make_body: Callable[[], bytes], count: int, url: str) -> Counter[int]:
    """Post a body over `count` connections at once, and return the statuses."""
    body = make_body()
    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(lambda _: _post_one(body, url), range(count)))


def _post_one(body: bytes, url: str) -> int:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/v1/embeddings", body)
        response = connection.getresponse()
        response.read()
        return response.status
    except TimeoutError:
        raise
    except (OSError, HTTPException):
        return CLOSED
    finally:
        connection.close()


def _endless(start: bytes, count: int, url: str) -> Counter[int]:
    """Send `count` request heads without an end, and return the statuses."""
    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(lambda _: _endless_one(start, url), range(count)))


def _endless_one(start: bytes, url: str) -> int:
    with _connect(url) as connection:
        response = b""
        try:
            connection.sendall(start)
            for _ in range(HEAD_BYTES >> 16):
                connection.sendall(b"x" * (1 << 16))
        except TimeoutError:
            raise
        except OSError:
            pass  # The server has responded and closed the connection.
        try:
            response = connection.recv(64)
        except TimeoutError:
            raise
        except OSError:
            pass  # The response is lost if the server had not read everything.
        return int(response.split()[1]) if response else CLOSED


def _unfinished(start: bytes, count: int, url: str) -> Counter[int]:
    """Begin `count` requests, and close the connections after a while."""
    connections = [_connect(url) for _ in range(count)]
    for connection in connections:
        connection.sendall(start)
    sleep(UNFINISHED_SECONDS)
    for connection in connections:
        connection.close()
    return Counter({CLOSED: count})


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80), TIMEOUT_SECONDS)
