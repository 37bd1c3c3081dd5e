"""Puts the application together."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import ceil
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from contract import __version__
from gateway import about, embeddings, errors, health, models
from gateway.admission import Admission
from gateway.catalog import Catalog
from gateway.embedder import Embedder
from gateway.metrics import Metrics
from gateway.middleware import ApiKeys, BodyLimit, RequestLog
from gateway.settings import Settings
from gateway.state import State
from gateway.triton import Triton


def create(settings: Settings) -> FastAPI:
    """Return the application; it connects to Triton when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        triton = Triton(settings.triton_url, _trace_headers(settings))
        catalog = Catalog(triton)
        app.state.shared = State(
            settings=settings,
            catalog=catalog,
            admission=Admission(
                ceil(settings.max_inputs_in_flight / settings.workers),
                settings.max_wait_seconds,
            ),
            embedder=Embedder(triton),
            metrics=Metrics(catalog.phases),
        )
        await catalog.refresh()
        # What lives as long as the process need not be searched for garbage again and again.
        gc.freeze()
        fresh = asyncio.ensure_future(catalog.keep_fresh(settings.refresh_seconds))
        yield
        fresh.cancel()
        triton.close()

    app = FastAPI(
        title="triton-embed",
        version=__version__,
        summary="OpenAI- and NIM-compatible embeddings, served by Triton",
        lifespan=lifespan,
        # An included router would be searched for each request, after the pages of the docs.
        routes=[
            route
            for module in (embeddings, models, health, about)
            for route in module.router.routes
        ],
        middleware=_middleware(settings),
        redirect_slashes=False,
        redoc_url=None,
        # Spans are our own (`gateway.tracing`), metrics and logs too.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """Return what wraps the application, outermost first."""
    layers = [Middleware(RequestLog)]
    if settings.otel:
        from gateway.tracing import Tracing

        layers.append(Middleware(Tracing))
    if settings.cors_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
            )
        )
    if settings.api_keys:
        layers.append(Middleware(ApiKeys, keys=settings.api_keys))
    layers.append(Middleware(BodyLimit, limit=settings.max_body_bytes))
    return layers


def _trace_headers(settings: Settings) -> Callable[[], Any]:
    if settings.otel:
        from gateway.tracing import outgoing

        return outgoing
    return tuple
