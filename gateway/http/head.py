"""Rules for the heads of requests that the parser does not check."""

from __future__ import annotations

from collections.abc import Sequence

import httptools

from triton_embed.contract.errors import InvalidRequest, RequestHeadTooLarge

MAX_HEAD_BYTES = 64 << 10
"""Maximum bytes of a request line with all headers. Defaults: nginx 40 KiB, Apache 800 KiB."""

VERSIONS = ("1.0", "1.1")
"""Accepted versions of HTTP."""

MAX_QUOTED = 100
"""Maximum characters of a header's value or of a target in a message."""


def head_bytes(target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Return the size of a head, without the method and the version."""
    return len(target) + sum(len(name) + len(value) + 4 for name, value in headers)


def origin_form(target: bytes) -> bytes:
    """Return the path and the query of a target that may be a whole URL (RFC 9112, section 3.2.2).

    Raises:
        InvalidRequest: it is not a valid URL.
    """
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        quoted = target[:MAX_QUOTED].decode("latin-1")
        raise InvalidRequest(
            f"The request target '{quoted}' is not a valid URL.", code="invalid_http"
        ) from None
    path = url.path or b"/"
    return path if url.query is None else path + b"?" + url.query


def validate_size(size: int) -> None:
    """Check the size of a head, in bytes.

    Raises:
        RequestHeadTooLarge: it is over the limit.
    """
    if size > MAX_HEAD_BYTES:
        raise RequestHeadTooLarge(MAX_HEAD_BYTES)


def validate_head(version: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Check the fields that a proxy in front of the gateway could interpret differently.

    Args:
        version: HTTP version of the request line.
        headers: Names in lower case, with their values.

    Raises:
        InvalidRequest: another version, not exactly one ``Host`` (RFC 9112, section 3.2), or a
            transfer coding other than ``chunked`` (section 6.1).
    """
    if version not in VERSIONS:
        raise InvalidRequest(
            f"HTTP/{version} is not supported; use HTTP/1.1.", code="unsupported_http_version"
        )
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            coding = value[:MAX_QUOTED].decode("latin-1")
            raise InvalidRequest(
                f"The Transfer-Encoding '{coding}' is not supported; use 'chunked'.",
                code="unsupported_encoding",
            )
    # HTTP/1.0 does not require the header.
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise InvalidRequest(
            f"The request must have one Host header, but has {hosts}.", code="invalid_host"
        )
