"""Puts the application together."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from math import ceil
from typing import Any

from fastapi import FastAPI
from grpc import ChannelCredentials
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from triton_embed import __version__
from triton_embed.gateway.api import embeddings, errors, health, models
from triton_embed.gateway.api import metadata as about
from triton_embed.gateway.http.middleware import ApiKeys, BodyLimit, RequestLog
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.scheduler import Embedder
from triton_embed.gateway.services import Services
from triton_embed.gateway.settings import Settings
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.gateway.triton.client import InferenceClient
from triton_embed.gateway.triton.resolver import server_name
from triton_embed.gateway.triton.servers import Servers
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import TlsFiles, open_channel


def create(settings: Settings) -> FastAPI:
    """Return the application; it connects to Triton when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        target = grpc_target(settings.triton_address)
        credentials = _credentials(settings)
        host = server_name(target)
        servers = Servers(target, partial(open_channel, credentials=credentials, server_name=host))
        catalog = Catalog(servers)
        triton = InferenceClient(
            open_channel(target, credentials), catalog, _trace_headers(settings)
        )
        app.state.shared = Services(
            settings=settings,
            catalog=catalog,
            admission=AdmissionController(
                ceil(settings.max_inputs_in_flight / settings.workers),
                settings.max_wait_seconds,
            ),
            embedder=Embedder(triton),
            metrics=Metrics(catalog.phases),
        )
        await catalog.refresh()
        # What lives as long as the process need not be searched for garbage again and again.
        gc.freeze()
        fresh = asyncio.ensure_future(catalog.run(settings.refresh_seconds))
        yield
        fresh.cancel()
        await triton.close()
        await servers.close()

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
        from triton_embed.gateway.http.tracing import Tracing

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


def _credentials(settings: Settings) -> ChannelCredentials | None:
    if not settings.triton_tls:
        return None
    return TlsFiles(
        settings.triton_tls_root_certificate,
        settings.triton_tls_certificate,
        settings.triton_tls_key,
    ).credentials()


def _trace_headers(settings: Settings) -> Callable[[], Any]:
    if settings.otel:
        from triton_embed.gateway.http.tracing import outgoing

        return outgoing
    return tuple
