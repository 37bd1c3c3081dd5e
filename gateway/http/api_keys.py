"""Rejects requests without one of the server's API keys."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from triton_embed.contract.errors import Unauthorized
from triton_embed.gateway.errors import ErrorResponse

PUBLIC_PATHS = re.compile(r"/(v1/)?(health/.*|metrics|docs(/.*)?|openapi\.json|page/.*)?")
"""Paths that need no key: probes, scrapers, the description of the API, and the page, whose own
requests carry a key."""


class ApiKeyMiddleware:
    """Passes on requests that have a valid key as a bearer token.

    Args:
        app: The application to protect.
        keys: The server's keys.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._digests = [_digest(key) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or self._is_authorized(scope):
            await self._app(scope, receive, send)
            return
        error = Unauthorized("Send one of the server's API keys as a bearer token.")
        await ErrorResponse(error)(scope, receive, send)

    def _is_authorized(self, scope: Scope) -> bool:
        if PUBLIC_PATHS.fullmatch(scope["path"]):
            return True
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        given = _digest(key.strip())
        # Compare every key, so that the duration reveals nothing about them.
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]
        return scheme.lower() == "bearer" and any(matches)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
