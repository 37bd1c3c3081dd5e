"""Identifies, counts and times every request, and writes one line about it to the log."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triton_embed.contract.errors import InternalError
from triton_embed.gateway.errors import REJECTION, ErrorResponse
from triton_embed.gateway.http import request_id
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.request_details import RequestDetails, request_details

logger = logging.getLogger("gateway.access")

EMBEDDINGS = "/v1/embeddings"
"""The route whose requests are all logged at level INFO; for other routes, only errors are."""

EXPECTED = 200, 400, 401, 404, 413, 499, 500, 503
"""Statuses of this route whose metrics exist from the start."""

UNCOUNTED = frozenset(
    {"/v1/health/live", "/v1/health/ready", "/metrics", "/v1/metrics", "/", "/page/{name}"}
)
"""Routes of probes, scrapes and the page, which are not counted as traffic."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Methods with their own label: a client could invent any number of other methods."""

OTHER = "other"
"""Label of paths and methods that do not exist."""

CLIENT_CLOSED_REQUEST = 499
"""Status of a request without a response, because its client disconnected: nginx's code."""

MAX_FIELD = 500
"""Maximum characters of a string from the client in the log; the rest is omitted."""


class AccessLogMiddleware:
    """Logs and counts requests; responds with status 500 to unexpected exceptions.

    The outermost middleware, so that the responses of all layers are logged and carry an id. It
    also responds to requests that the connection has rejected.

    Args:
        app: The application to wrap.
        metrics: The counters.
        log_client_address: Log the address of each client.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, log_client_address: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._log_client_address = log_client_address
        metrics.expect_http_requests(EMBEDDINGS, "POST", EXPECTED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        responder = AccessLogResponder(send, request_id.request_id(scope))
        start = perf_counter()
        app = ErrorResponse(scope[REJECTION]) if REJECTION in scope else self._app
        try:
            await app(scope, receive, responder.send)
        except Exception:
            logger.exception("unexpected error in request %s", responder.request_id)
            if not responder.started:
                error = InternalError("Internal server error; see the server log.")
                await ErrorResponse(error)(scope, receive, responder.send)
        finally:
            self._record(scope, responder, perf_counter() - start)

    def _record(self, scope: Scope, responder: AccessLogResponder, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or _unrouted(scope)
        method, status = scope["method"], responder.status
        label = method if method in METHODS else OTHER
        if route not in UNCOUNTED:
            self._metrics.observe_http_request(route, label, status, seconds)
        details = request_details(scope)
        if details.error is not None and status not in (500, CLIENT_CLOSED_REQUEST):
            self._metrics.observe_rejection(details.error.code)
        level = logging.INFO if route == EMBEDDINGS or status >= 400 else logging.DEBUG
        if not logger.isEnabledFor(level):
            return
        path = _word(scope["path"])
        milliseconds = seconds * 1000
        fields = _client(scope) if self._log_client_address else {}
        fields |= _fields(details)
        logger.log(
            level,
            "%s %s %d in %.1f ms, request %s%s",
            method,
            path,
            status,
            milliseconds,
            responder.request_id,
            "".join([f", {name} {value}" for name, value in fields.items()]),
            extra={
                "request_id": responder.request_id,
                "method": method,
                "path": path,
                "status": status,
                "milliseconds": round(milliseconds, 3),
                **fields,
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


def _fields(details: RequestDetails) -> dict[str, Any]:
    """Return the known facts about a request by the names of their fields in the log.

    The error is last: the only text of several words, which could contain other fields.
    """
    fields: dict[str, Any] = {}
    if details.model is not None:
        fields["model"] = _word(details.model)
    if details.inputs is not None:
        fields["inputs"] = details.inputs
    if details.tokens is not None:
        fields["tokens"] = details.tokens
    if details.error is not None:
        fields["code"] = details.error.code
        if details.error.param is not None:
            fields["param"] = _word(details.error.param)
        fields["error"] = _escaped(str(details.error))
    return fields


def _client(scope: Scope) -> dict[str, Any]:
    """Return the client's address, and the header in which proxies report further addresses."""
    client = scope.get("client")
    fields: dict[str, Any] = {"client": client[0] if client else "unknown"}
    forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if forwarded:
        fields["forwarded_for"] = _word(b",".join(forwarded).decode("latin-1").replace(" ", ""))
    return fields


def _escaped(text: str) -> str:
    """Return a string from the client for the log, escaped so that it cannot forge lines."""
    return ascii(text[:MAX_FIELD])[1:-1]


def _word(text: str) -> str:
    """Return a text of the client as one word: with spaces in it, it could forge fields."""
    return _escaped(text).replace(" ", r"\x20")


def _unrouted(scope: Scope) -> str:
    """Return the route of a request that was rejected before it was routed."""
    paths = {getattr(route, "path", None) for route in scope["app"].routes}
    return scope["path"] if scope["path"] in paths else OTHER
