"""Rejects request bodies over a limit, and limits the memory of all bodies together.

Starlette's `RequestBodyLimitMiddleware` (1.10) responds in plain text, where clients expect our
error body.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triton_embed.contract.errors import PayloadTooLarge, Unavailable
from triton_embed.gateway.errors import ErrorResponse

SMALL_BODY_BYTES = 64 << 10
"""Maximum stated length of a body that is not counted: uvicorn buffers that much anyway."""


class BodyLimitMiddleware:
    """Responds with status 413 to larger bodies, before reading a body with a stated length.

    Responds with status 503 while the bodies of unfinished requests fill their budget.

    Args:
        app: The application to protect.
        limit: Maximum bytes of a request body.
        budget: Maximum bytes of all bodies of unfinished requests; one body is always accepted.
    """

    def __init__(self, app: ASGIApp, limit: int, budget: int) -> None:
        self._app = app
        self._limit = limit
        self._budget = budget
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = _stated_length(scope)
        if length is not None and length <= min(SMALL_BODY_BYTES, self._limit):
            # The server passes on at most the stated length.
            await self._app(scope, receive, send)
            return
        if length is not None and length > self._limit:
            await ErrorResponse(self._too_large())(scope, receive, send)
            return
        reader = BodyReader(receive, self)
        try:
            await self._app(scope, reader.receive, send)
        finally:
            self._in_flight -= reader.size

    def count(self, size: int, received: int) -> None:
        """Count bytes of a body.

        Args:
            size: Bytes of the body so far.
            received: Number of new bytes.

        Raises:
            PayloadTooLarge: the body is over the limit.
            Unavailable: the bodies of all requests are over the budget.
        """
        self._in_flight += received
        if size > self._limit:
            raise self._too_large()
        if self._in_flight > self._budget and self._in_flight > size:
            raise Unavailable(
                f"All request bodies in progress exceed {self._budget} bytes; try again later.",
                code="overloaded",
            )

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The request body is larger than {self._limit} bytes.")


class BodyReader:
    """The counted body of one request.

    Args:
        receive: The server's callable.
        limits: Counts the bytes.
    """

    __slots__ = ("_limits", "_receive", "size")

    def __init__(self, receive: Receive, limits: BodyLimitMiddleware) -> None:
        self._receive = receive
        self._limits = limits
        self.size = 0

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            PayloadTooLarge: the body is over the limit.
            Unavailable: the bodies of all requests are over the budget.
        """
        message = await self._receive()
        received = len(message.get("body", b""))
        self.size += received
        self._limits.count(self.size, received)
        return message


def _stated_length(scope: Scope) -> int | None:
    """Return the length of the body by its headers; ``None`` if they do not state a valid one."""
    length = None
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length" and value.isdigit():
            length = int(value)
    return length
