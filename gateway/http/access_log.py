"""Identifies, counts and times every request, and writes one line about it to the log."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triton_embed.contract.errors import InternalError
from triton_embed.gateway.errors import error_response
from triton_embed.gateway.http import request_id
from triton_embed.gateway.metrics import Metrics

logger = logging.getLogger("gateway.access")

EMBEDDINGS = "/v1/embeddings"
"""The route whose requests are all logged at level INFO; for other routes, only errors are."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Methods with their own label: a client could invent any number of other methods."""

OTHER = "other"
"""Label of paths and methods that do not exist."""

CLIENT_CLOSED_REQUEST = 499
"""Status of a request without a response, because its client disconnected: nginx's code."""


class AccessLogMiddleware:
    """Logs and counts requests; responds with status 500 to unexpected exceptions.

    The outermost middleware, so that the responses of all layers are logged and carry an id.

    Args:
        app: The application to wrap.
        metrics: The counters.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        responder = AccessLogResponder(send, request_id.request_id(scope))
        start = perf_counter()
        try:
            await self._app(scope, receive, responder.send)
        except Exception:
            logger.exception("unexpected error in request %s", responder.request_id)
            if not responder.started:
                error = InternalError("Internal server error; see the server log.")
                await error_response(error)(scope, receive, responder.send)
        finally:
            self._record(scope, responder, perf_counter() - start)

    def _record(self, scope: Scope, responder: AccessLogResponder, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or _unrouted(scope)
        method, status = scope["method"], responder.status
        label = method if method in METHODS else OTHER
        self._metrics.observe_http_request(route, label, status, seconds)
        level = logging.INFO if route == EMBEDDINGS or status >= 400 else logging.DEBUG
        if not logger.isEnabledFor(level):
            return
        # Escaped: with line ends in a path, a client could forge log lines.
        path = ascii(scope["path"])[1:-1]
        milliseconds = seconds * 1000
        logger.log(
            level,
            "%s %s %d in %.1f ms, request %s",
            method,
            path,
            status,
            milliseconds,
            responder.request_id,
            extra={
                "request_id": responder.request_id,
                "method": method,
                "path": path,
                "status": status,
                "milliseconds": round(milliseconds, 3),
            },
        )


class AccessLogResponder:
    """The response to one request.

    Args:
        send: The server's callable.
        request_id: The id that the response carries.

    Attributes:
        request_id: See above.
        status: The HTTP status; `CLIENT_CLOSED_REQUEST` until the response starts.
        started: True once the response has started.
    """

    __slots__ = ("_send", "request_id", "started", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = CLIENT_CLOSED_REQUEST
        self.started = False

    async def send(self, message: Message) -> None:
        """Send `message`, with the id among the headers if it starts the response."""
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            header = (request_id.HEADER, self.request_id.encode("ascii"))
            message = {**message, "headers": [*message.get("headers", ()), header]}
        await self._send(message)


def _unrouted(scope: Scope) -> str:
    """Return the route of a request that was rejected before it was routed."""
    paths = {getattr(route, "path", None) for route in scope["app"].routes}
    return scope["path"] if scope["path"] in paths else OTHER
