"""Assembles the application."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from triton_embed import __version__
from triton_embed.gateway.api import (
    documentation,
    embeddings,
    errors,
    health,
    metadata,
    metrics,
    models,
    page,
    tokenize,
)
from triton_embed.gateway.http.access_log import AccessLogMiddleware
from triton_embed.gateway.http.api_keys import ApiKeyMiddleware
from triton_embed.gateway.http.body_limit import BodyLimitMiddleware
from triton_embed.gateway.http.cors import CorsMiddleware
from triton_embed.gateway.http.paths import PathNormalizer
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.services import running_services
from triton_embed.gateway.settings import Settings
from triton_embed.gateway.triton.job import TraceHeaders

ROUTERS = tuple(
    module.router
    for module in (embeddings, tokenize, models, health, metadata, metrics, documentation)
)


class Gateway(FastAPI):
    """FastAPI without its middleware for dependencies, telemetry and unexpected exceptions.

    No route has dependencies, the spans are our own, and the access log handles exceptions. This
    middleware would take about 5 % of the time that the gateway spends on a short text.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """Return the router within the middleware."""
        exceptions = Middleware(ExceptionMiddleware, handlers=self.exception_handlers)
        app: ASGIApp = self.router
        for layer, arguments, options in reversed([*self.user_middleware, exceptions]):
            app = layer(app, *arguments, **options)
        return PathNormalizer(app)


def create(settings: Settings) -> FastAPI:
    """Return the application; it connects to Triton when it starts."""
    own_metrics = Metrics()
    routers = (*ROUTERS, page.router) if settings.page else ROUTERS
    app = Gateway(
        title="triton-embed",
        version=__version__,
        summary="OpenAI- and NIM-compatible embeddings, served by Triton",
        lifespan=_lifespan(settings, own_metrics),
        # Register the routes directly: included routers are matched after the docs routes.
        routes=[route for router in routers for route in router.routes],
        middleware=_middleware(settings, own_metrics),
        redirect_slashes=False,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        docs_url=None,
        redoc_url=None,
        # The gateway has its own spans, metrics and logs.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.root_path = settings.root_path
    errors.install(app)
    return app


def _lifespan(
    settings: Settings, metrics: Metrics
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_services(settings, metrics, _trace_headers(settings)) as services:
            app.state.services = services
            # Exclude long-lived objects from garbage collection.
            gc.freeze()
            yield

    return lifespan


def _middleware(settings: Settings, metrics: Metrics) -> list[Middleware]:
    """Return the layers around the application, outermost first."""
    layers = [
        Middleware(
            AccessLogMiddleware, metrics=metrics, log_client_address=settings.log_client_address
        )
    ]
    if settings.otel:
        from triton_embed.gateway.http.tracing import TracingMiddleware

        layers.append(Middleware(TracingMiddleware))
    if settings.cors_origins:
        layers.append(Middleware(CorsMiddleware, origins=settings.cors_origins))
    if settings.api_keys:
        layers.append(Middleware(ApiKeyMiddleware, keys=settings.api_keys))
    layers.append(
        Middleware(
            BodyLimitMiddleware,
            limit=settings.max_body_bytes,
            budget=settings.max_concurrent_body_bytes // settings.workers,
        )
    )
    return layers


def _trace_headers(settings: Settings) -> Callable[[], TraceHeaders]:
    """Return the source of the headers that continue a trace; OpenTelemetry is an extra."""
    if settings.otel:
        from triton_embed.gateway.http.tracing import current_trace_headers

        return current_trace_headers
    return tuple
