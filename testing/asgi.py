"""Requests to ASGI applications without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from triton_embed.gateway.api import errors


@asynccontextmanager
async def asgi_client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Connect a client to `app`."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def echo(request: Request) -> Response:
    """Return the body of the request."""
    return Response(await request.body())


async def status(request: Request) -> Response:
    """Return the status that the path names."""
    return Response(status_code=int(request.path_params["status"]))


async def failing(request: Request) -> Response:
    """Raise an unexpected exception."""
    raise ZeroDivisionError


def application(*middleware: Middleware, paths: Sequence[str] = ("/echo/{name}",)) -> ASGIApp:
    """Return an application that echoes bodies at `paths`.

    It fails at ``/failing``, and returns any status at ``/status/{status}``.

    Args:
        middleware: Its layers, outermost first.
        paths: Templates of paths, for GET and POST.
    """
    routes = [Route(path, echo, methods=["GET", "POST"]) for path in paths]
    routes += [Route("/failing", failing), Route("/status/{status}", status)]
    app = Starlette(routes=routes, middleware=middleware)
    errors.install(app)
    return app
