"""Routes whose endpoints receive the unprocessed request and return the response."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from triton_embed.contract.errors import ClientDisconnected
from triton_embed.gateway.api.errors import RESPONSES


class RawRoute(APIRoute):
    """Calls its endpoint with the unprocessed request.

    FastAPI documents it like any other route, but injects no parameters and validates no response:
    for a short text that would take longer than the gateway's own work.

    A route for GET also responds to HEAD, which is not documented; the server omits the body.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request.

        Raises:
            HTTPException: status 405, the route does not accept the method.
        """
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        methods = self.methods or set()
        if method in methods:
            response = await self.endpoint(Request(scope, receive))
            await response(scope, receive, send)
        else:
            allowed = methods | ({"HEAD"} if "GET" in methods else set())
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})


def router(tag: str) -> APIRouter:
    """Return a router of such routes.

    Args:
        tag: The title of their section in the documentation of the API.
    """
    return APIRouter(tags=[tag], responses=RESPONSES, route_class=RawRoute)


async def read_body(request: Request) -> bytes:
    """Return the body of `request`; `Request.body` takes three times as long.

    Raises:
        ClientDisconnected: the client closed the connection before the end of the body.
    """
    parts = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
