"""Request paths of clients whose base URL differs slightly from ours."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send

KSERVE_PREFIX = "/openai/v1/"
"""Prefix of the same paths in KServe's OpenAI API."""


class PathNormalizer:
    """Ignores empty segments of a path, such as ``//`` and a trailing ``/``, and KServe's prefix.

    Args:
        app: The application; all of its layers see the normalized path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    # Not a separate coroutine, which would take time for every request.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one connection."""
        if scope["type"] == "http":
            path = scope["path"]
            if "//" in path or path.endswith("/") or path.startswith(KSERVE_PREFIX):
                scope["path"] = normalized(path)
        return self._app(scope, receive, send)


def normalized(path: str) -> str:
    """Return `path` in the form of our routes; a rejected target may be another URL."""
    if not path.startswith("/"):
        return path
    path = "/" + "/".join(filter(None, path.split("/")))
    return path.removeprefix("/openai") if path.startswith(KSERVE_PREFIX) else path
