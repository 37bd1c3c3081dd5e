from __future__ import annotations

import grpc
import pytest

from testing.fake_triton import FakeExport, FakeTriton, running
from testing.metrics import samples
from testing.ports import free_ports
from testing.waiting import eventually_async
from triton_embed.contract.options import Modality, Options
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.services import Services, running_services
from triton_embed.gateway.settings import Settings
from triton_embed.gateway.triton.job import EmbedJob, Input


def settings(triton: FakeTriton) -> Settings:
    return Settings(
        triton_address=triton.address, status_port=free_ports(1)[0], model_refresh_seconds=0.01
    )


async def embed(services: Services) -> list[int]:
    """Embed one text, and return the token counts."""
    model, _ = services.catalog.resolve("m")
    batches = await services.scheduler.embed(
        EmbedJob(model, (Input(Modality.TEXT, b"abc", 1),), Options())
    )
    return [batch.tokens for batch in batches]


async def test_services_are_ready_when_they_start() -> None:
    triton = FakeTriton()
    FakeExport("m").load(triton)
    async with running(triton), running_services(settings(triton), Metrics(), tuple) as services:
        assert services.catalog.ready
        assert await embed(services) == [3]


async def test_catalog_follows_triton_while_services_run() -> None:
    triton = FakeTriton()
    async with running(triton), running_services(settings(triton), Metrics(), tuple) as services:
        assert not services.catalog.ready
        FakeExport("m").load(triton)

        async def ready() -> bool:
            return services.catalog.ready

        await eventually_async(ready, message="the model is served")


async def test_metrics_have_the_phases_of_triton() -> None:
    triton = FakeTriton()
    FakeExport("m").load(triton)
    metrics = Metrics()
    async with running(triton), running_services(settings(triton), metrics, tuple):
        labels = f'address="{triton.address}",model="m",phase="encode"'
        values = samples(metrics.render().decode())
    assert values[f"triton_embed_triton_phase_duration_seconds_count{{{labels}}}"] == 1


async def test_ended_services_are_disconnected() -> None:
    triton = FakeTriton()
    FakeExport("m").load(triton)
    async with running(triton):
        async with running_services(settings(triton), Metrics(), tuple) as services:
            pass
        with pytest.raises(grpc.aio.UsageError, match="closed"):
            await embed(services)
