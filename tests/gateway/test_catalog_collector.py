from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from testing.fake_triton import FakeExport, FakeTriton, running
from testing.metrics import samples
from testing.publications import FakePublications
from triton_embed.gateway.catalog_collector import CatalogCollector
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.gateway.triton.servers import Servers
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import open_channel


def values(catalog: Catalog) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(CatalogCollector(catalog))
    return samples(generate_latest(registry).decode())


async def test_models_are_ready_while_a_triton_serves_them() -> None:
    triton = FakeTriton()
    export = FakeExport("a/b")
    export.load(triton)
    ready = 'triton_embed_model_ready{model="a/b"}'
    async with running(triton):
        servers = Servers(grpc_target(triton.address), open_channel)
        catalog = Catalog(servers, FakePublications())
        await catalog.refresh()
        found = values(catalog)
        assert found[ready] == 1
        (info,) = (name for name in found if name.startswith("triton_embed_model_info"))
        assert 'model="a/b"' in info and 'dimension="2"' in info and found[info] == 1
        triton.models.clear()
        await catalog.refresh()
        assert values(catalog)[ready] == 0
        await servers.close()
