"""The objects that the request handlers share, from the start of the application to its end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil

from grpc import ChannelCredentials
from starlette.requests import HTTPConnection

from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.phase_collector import TritonPhaseCollector
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.scheduler import Embedder
from triton_embed.gateway.settings import Settings
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.gateway.triton.client import InferenceClient, TraceHeaders
from triton_embed.gateway.triton.resolver import server_name
from triton_embed.gateway.triton.servers import Servers
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import TlsFiles, open_channel


@dataclass(frozen=True)
class Services:
    """The objects behind the API.

    Attributes:
        settings: The gateway's settings.
        catalog: The models that requests can name.
        admission: Accepts or rejects requests.
        embedder: Embeds the inputs of accepted requests.
        metrics: The gateway's counters.
    """

    settings: Settings
    catalog: Catalog
    admission: AdmissionController
    embedder: Embedder
    metrics: Metrics


def get_services(connection: HTTPConnection) -> Services:
    """Return the services of the application that serves `connection`."""
    services: Services = connection.scope["app"].state.services
    return services


@asynccontextmanager
async def running_services(
    settings: Settings, metrics: Metrics, trace: Callable[[], TraceHeaders]
) -> AsyncIterator[Services]:
    """Connect to Triton, and keep the catalog up to date while in the block.

    Args:
        settings: The gateway's settings.
        metrics: Receives the phases that Triton measures.
        trace: Returns the headers that continue the caller's trace in Triton.
    """
    target = grpc_target(settings.triton_address)
    credentials = _credentials(settings)
    host = server_name(target)
    servers = Servers(target, partial(open_channel, credentials=credentials, server_name=host))
    catalog = Catalog(servers)
    client = InferenceClient(open_channel(target, credentials), catalog, trace)
    services = Services(
        settings=settings,
        catalog=catalog,
        admission=AdmissionController(
            ceil(settings.max_inputs_in_flight / settings.workers), settings.max_wait_seconds
        ),
        embedder=Embedder(client),
        metrics=metrics,
    )
    metrics.register(TritonPhaseCollector(catalog.phases))
    await catalog.refresh()
    # Exclude long-lived objects from garbage collection.
    gc.freeze()
    refreshing = asyncio.ensure_future(catalog.run(settings.refresh_seconds))
    yield services
    refreshing.cancel()
    await client.close()
    await servers.close()


def _credentials(settings: Settings) -> ChannelCredentials | None:
    if not settings.triton_tls:
        return None
    return TlsFiles(
        settings.triton_tls_root_certificate,
        settings.triton_tls_certificate,
        settings.triton_tls_key,
    ).credentials()
