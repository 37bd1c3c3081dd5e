"""Rejects request bodies over a limit.

Starlette's `RequestBodyLimitMiddleware` (1.10) responds in plain text, where clients expect our
error body.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triton_embed.contract.errors import PayloadTooLarge
from triton_embed.gateway.errors import error_response
from triton_embed.gateway.metrics import Metrics


class BodyLimitMiddleware:
    """Responds with status 413 to larger bodies, before reading a body with a stated length.

    Args:
        app: The application to protect.
        limit: Maximum bytes of a request body.
        metrics: The counter of rejected requests.
    """

    def __init__(self, app: ASGIApp, limit: int, metrics: Metrics) -> None:
        self._app = app
        self._limit = limit
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = _stated_length(scope)
        if length is None:
            receive = BodyReader(receive, self._limit, self._metrics).receive
        elif length > self._limit:
            await error_response(_reject(self._limit, self._metrics))(scope, receive, send)
            return
        # The server passes on at most the stated length.
        await self._app(scope, receive, send)


class BodyReader:
    """The body of one request that does not state its length.

    Args:
        receive: The server's callable.
        limit: Maximum bytes of the body.
        metrics: The counter of rejected requests.
    """

    __slots__ = ("_limit", "_metrics", "_receive", "_size")

    def __init__(self, receive: Receive, limit: int, metrics: Metrics) -> None:
        self._receive = receive
        self._limit = limit
        self._metrics = metrics
        self._size = 0

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            PayloadTooLarge: the body is over the limit.
        """
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise _reject(self._limit, self._metrics)
        return message


def _reject(limit: int, metrics: Metrics) -> PayloadTooLarge:
    """Count a request as rejected and return the error."""
    metrics.requests_rejected.labels("payload_too_large").inc()
    return PayloadTooLarge(f"The request body is larger than {limit} bytes.")


def _stated_length(scope: Scope) -> int | None:
    """Return the length of the body by its headers; ``None`` if they do not state a valid one."""
    length = None
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length" and value.isdigit():
            length = int(value)
    return length
