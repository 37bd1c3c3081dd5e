"""The objects that the request handlers share, from the start of the application to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil

from grpc import ChannelCredentials
from starlette.requests import HTTPConnection

from triton_embed.gateway.catalog_collector import CatalogCollector
from triton_embed.gateway.large_bodies import LargeBodies
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.phase_collector import TritonPhaseCollector
from triton_embed.gateway.process_collector import WorkerProcessCollector
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.scheduler import Scheduler
from triton_embed.gateway.settings import Settings
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.gateway.triton.client import InferenceClient
from triton_embed.gateway.triton.job import TraceHeaders
from triton_embed.gateway.triton.publication import PublicationWatch
from triton_embed.gateway.triton.resolver import server_name
from triton_embed.gateway.triton.servers import Servers
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import TlsFiles, open_channel
from triton_embed.runtime.memory import MemoryCollector


@dataclass(frozen=True)
class Services:
    """The objects behind the API.

    Attributes:
        settings: The gateway's settings.
        catalog: The models that requests can name.
        scheduler: Embeds the inputs of admitted requests.
        metrics: The gateway's counters.
        trace_headers: Returns the headers that continue the caller's trace in Triton.
        large_bodies: Turns in which large bodies are parsed.
        parser: A thread that reads the largest bodies: the event loop runs between the
            steps of this work, which takes 100 ms.
    """

    settings: Settings
    catalog: Catalog
    scheduler: Scheduler
    metrics: Metrics
    trace_headers: Callable[[], TraceHeaders]
    large_bodies: LargeBodies
    parser: Executor


def get_services(connection: HTTPConnection) -> Services:
    """Return the services of the application that serves `connection`."""
    services: Services = connection.scope["app"].state.services
    return services


@asynccontextmanager
async def running_services(
    settings: Settings, metrics: Metrics, trace_headers: Callable[[], TraceHeaders]
) -> AsyncIterator[Services]:
    """Connect to Triton, and refresh the catalog while in the block.

    Args:
        settings: The gateway's settings.
        metrics: Receives the state of the services.
        trace_headers: Returns the headers that continue the caller's trace in Triton.
    """
    target = grpc_target(settings.triton_address)
    credentials = triton_credentials(settings)
    host = server_name(target)
    servers = Servers(target, partial(open_channel, credentials=credentials, server_name=host))
    publications = PublicationWatch(settings.status_port)
    catalog = Catalog(servers, publications)
    client = InferenceClient(open_channel(target, credentials), catalog)
    admission = AdmissionController(
        ceil(settings.max_concurrent_inputs / settings.workers),
        settings.max_queue_seconds,
        report=metrics.set_inputs,
    )
    metrics.set_inputs_limit(settings.max_concurrent_inputs)
    services = Services(
        settings=settings,
        catalog=catalog,
        scheduler=Scheduler(client, admission, metrics.observe_inference),
        metrics=metrics,
        trace_headers=trace_headers,
        large_bodies=LargeBodies(),
        parser=ThreadPoolExecutor(max_workers=1, thread_name_prefix="parser"),
    )
    metrics.register(TritonPhaseCollector(catalog.phases))
    metrics.register(CatalogCollector(catalog))
    metrics.register(WorkerProcessCollector())
    metrics.register(MemoryCollector())
    await catalog.refresh()
    refreshing = asyncio.ensure_future(catalog.run(settings.model_refresh_seconds))
    try:
        yield services
    finally:
        refreshing.cancel()
        services.parser.shutdown(wait=False, cancel_futures=True)
        await publications.close()
        await client.close()
        await servers.close()


def triton_credentials(settings: Settings) -> ChannelCredentials | None:
    """Return the credentials for TLS to Triton; ``None``: no TLS.

    Raises:
        OSError: a file cannot be read.
    """
    if not settings.triton_tls:
        return None
    return TlsFiles(
        settings.triton_tls_root_certificate,
        settings.triton_tls_certificate,
        settings.triton_tls_key,
    ).credentials()
