"""Puts the application together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from gateway import embeddings, errors, health, models
from gateway.catalog import Catalog
from gateway.settings import Settings
from gateway.state import State
from gateway.triton import Triton


def create(settings: Settings) -> FastAPI:
    """Return the application; it connects to Triton when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        triton = Triton(settings.triton_url)
        catalog = Catalog(triton)
        app.state.shared = State(triton, catalog)
        await catalog.refresh()
        fresh = asyncio.ensure_future(catalog.keep_fresh(settings.refresh_seconds))
        yield
        fresh.cancel()
        await triton.close()

    app = FastAPI(
        title="triton-embed",
        summary="OpenAI- and NIM-compatible embeddings, served by Triton",
        lifespan=lifespan,
    )
    errors.install(app)
    for module in (embeddings, models, health):
        app.include_router(module.router)
    return app
