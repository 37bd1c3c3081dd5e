"""What happens to every request, whatever its path. Pure ASGI; each class does one thing."""

from __future__ import annotations

import hashlib
import hmac
import logging
import random
import re
from collections.abc import Sequence
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triton_embed.contract.errors import InternalError, PayloadTooLarge, Unauthorized
from triton_embed.gateway.api.errors import respond
from triton_embed.gateway.services import shared

logger = logging.getLogger("gateway.access")

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

OPEN_PATHS = re.compile(r"/(v1/)?(health/.*|metrics|docs|openapi\.json)?")
"""What may be asked without an API key: probes, scrapers and the description of the API."""


class RequestLog:
    """Gives each request an id, counts it, times it and writes one line about it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        status = 499
        start = perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("unexpected error in request %s", request_id)
            if status == 499:
                error = InternalError("The server met an unexpected error; its log has the cause.")
                await respond(error)(scope, receive, send_with_id)
        finally:
            self._record(scope, request_id, status, perf_counter() - start)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        endpoint = getattr(scope.get("route"), "path", None) or _endpoint(scope)
        metrics = shared(scope["app"]).metrics
        metrics.requests.labels(endpoint, str(status)).inc()
        metrics.request_seconds.labels(endpoint).observe(seconds)
        # A path can hold line ends, with which a client could forge lines of the log.
        path = ascii(scope["path"])[1:-1]
        level = logging.INFO if endpoint == "/v1/embeddings" or status >= 400 else logging.DEBUG
        logger.log(
            level,
            "%s %s %d in %.1f ms, request %s",
            scope["method"],
            path,
            status,
            seconds * 1000,
            request_id,
            extra={
                "request_id": request_id,
                "method": scope["method"],
                "path": path,
                "status": status,
                "milliseconds": round(seconds * 1000, 3),
            },
        )


class ApiKeys:
    """Lets in only requests that show one of the server's keys.

    Args:
        app: What is protected.
        keys: The keys.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._digests = [_digest(key) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and not self._may_pass(scope):
            shared(scope["app"]).metrics.rejected.labels("unauthorized").inc()
            answer = respond(Unauthorized("Send one of the server's API keys as a bearer token."))
            answer.headers["www-authenticate"] = "Bearer"
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if OPEN_PATHS.fullmatch(scope["path"]):
            return True
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        shown = _digest(key.strip())
        # Every key is compared, so that the time taken does not tell which one was close.
        matches = [hmac.compare_digest(shown, digest) for digest in self._digests]
        return scheme.lower() == "bearer" and any(matches)


class BodyLimit:
    """Refuses bodies over a limit, before they are read if they state their length.

    Args:
        app: What is protected.
        limit: Bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = Headers(scope=scope).get("content-length", "0")
        if stated.isdigit() and int(stated) > self._limit:
            shared(scope["app"]).metrics.rejected.labels("payload_too_large").inc()
            await respond(self._error())(scope, receive, send)
            return
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                shared(scope["app"]).metrics.rejected.labels("payload_too_large").inc()
                raise self._error()
            return message

        await self._app(scope, limited, send)

    def _error(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The request body is larger than {self._limit} bytes.")


def _endpoint(scope: Scope) -> str:
    """Return the path of a request that was refused before it was routed."""
    paths = {getattr(route, "path", None) for route in scope["app"].routes}
    return scope["path"] if scope["path"] in paths else "other"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
