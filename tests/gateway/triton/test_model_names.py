"""The names that requests can use for a model: ids in any case, suffixes and aliases."""

from __future__ import annotations

import pytest

from testing.fake_triton import FakeExport, FakeTriton, running
from testing.publications import FakePublications
from triton_embed.contract.errors import NotFound, Unavailable
from triton_embed.contract.options import InputType
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.gateway.triton.servers import Servers
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import open_channel


async def refreshed_catalog(triton: FakeTriton) -> Catalog:
    catalog = Catalog(Servers(grpc_target(triton.address), open_channel), FakePublications())
    await catalog.refresh()
    return catalog


async def test_id_and_suffix_may_have_any_case() -> None:
    triton = FakeTriton()
    FakeExport("Some/One").load(triton)
    async with running(triton):
        catalog = await refreshed_catalog(triton)
    for name in ("some/one", "SOME/ONE"):
        assert catalog.resolve(name)[0].spec.model_id == "Some/One"
    model, stated = catalog.resolve("SOME/one-Passage")
    assert (model.spec.model_id, stated) == ("Some/One", InputType.PASSAGE)


async def test_model_is_found_by_its_aliases_unless_they_are_the_id_of_another() -> None:
    triton = FakeTriton()
    FakeExport("one", spec={"aliases": ("Uno", "two")}).load(triton)
    FakeExport("two").load(triton)
    async with running(triton):
        catalog = await refreshed_catalog(triton)
    assert catalog.resolve("uno-query")[0].spec.model_id == "one"
    assert catalog.resolve("two")[0].spec.model_id == "two"
    with pytest.raises(NotFound, match="'Uno', 'one', 'two'"):
        catalog.resolve("three")


async def test_alias_of_a_model_that_a_restarted_triton_will_load_is_unavailable() -> None:
    triton = FakeTriton()
    FakeExport("one", spec={"aliases": ("uno",)}).load(triton)
    FakeExport("two").load(triton)
    async with running(triton):
        catalog = await refreshed_catalog(triton)
        for name in [name for name in triton.models if name.startswith("one")]:
            del triton.models[name]
        for model in triton.models.values():
            model.count(0)
        await catalog.refresh()
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve("Uno")
