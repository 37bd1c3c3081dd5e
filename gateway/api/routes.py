"""A route whose endpoint receives the request as it is."""

from __future__ import annotations

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class RawRoute(APIRoute):
    """Calls its endpoint with the bare request.

    FastAPI's own routes resolve parameters and dependencies for each request, which takes longer
    than the gateway's own work for a short text.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if self.methods and scope["method"] in self.methods:
            response = await self.endpoint(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await super().handle(scope, receive, send)
