"""The catalog with the states that supervisors publish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from testing.fake_triton import FakeExport, FakeTriton, running, triton_with
from testing.publications import FakePublications
from testing.waiting import eventually_async
from triton_embed.contract.errors import NotFound, Unavailable
from triton_embed.contract.status import ModelState
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.gateway.triton.servers import Servers
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import open_channel

READY, LOADING = ModelState.READY, ModelState.LOADING


@asynccontextmanager
async def catalog_of(*tritons: FakeTriton) -> AsyncIterator[tuple[Catalog, FakePublications]]:
    """Make a catalog of `tritons`, refreshed once, whose models are all published as ready."""
    servers = Servers(grpc_target(",".join(item.address for item in tritons)), open_channel)
    publications = FakePublications()
    catalog = Catalog(servers, publications)
    await catalog.refresh()
    ready = {model.spec.model_id: READY for model in catalog.models}
    for triton in tritons:
        publications.publish(triton.address, **ready)
    try:
        yield catalog, publications
    finally:
        await servers.close()


async def test_catalog_follows_every_address() -> None:
    async with (
        running(triton_with("m")) as one,
        running(triton_with("m")) as two,
        catalog_of(one, two) as (_, publications),
    ):
        assert publications.followed == {one.address, two.address}


async def test_model_with_a_dead_step_is_unavailable_immediately() -> None:
    async with running(triton_with("m")) as triton, catalog_of(triton) as (catalog, publications):
        assert catalog.ready and catalog.resolve("m")
        # Triton itself does not notice.
        publications.publish(triton.address, m=LOADING)
        assert not catalog.ready
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve("m-query")
        assert [model.spec.model_id for model in catalog.models] == ["m"]
        publications.publish(triton.address, m=READY)
        assert catalog.ready and catalog.resolve("m")


async def test_readiness_of_a_model_is_its_own() -> None:
    async with (
        running(triton_with("m", "n")) as triton,
        catalog_of(triton) as (catalog, publications),
    ):
        publications.publish(triton.address, m=LOADING, n=READY)
        assert catalog.ready
        assert catalog.is_ready("n")
        assert not catalog.is_ready("m")
        assert not catalog.is_ready("unknown")


async def test_requests_avoid_the_address_where_the_model_is_not_ready() -> None:
    async with (
        running(triton_with("m")) as one,
        running(triton_with("m")) as two,
        catalog_of(one, two) as (catalog, publications),
    ):
        publications.publish(one.address, m=LOADING)
        model, _ = catalog.resolve("m")
        assert [server.address for server in catalog.servers(model)] == [two.address]
        assert not catalog.is_everywhere(model)


async def test_model_that_is_not_verified_yet_is_being_loaded() -> None:
    async with (
        running(triton_with("m", "new")) as triton,
        catalog_of(triton) as (catalog, publications),
    ):
        publications.publish(triton.address, m=READY, new=LOADING)
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve("new")


async def test_model_that_is_ready_before_its_triton_was_polled_is_being_loaded() -> None:
    async with running(triton_with("m")) as triton, catalog_of(triton) as (catalog, publications):
        publications.publish(triton.address, m=READY, new=READY)
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve("new")
        FakeExport("new").load(triton)
        await catalog.refresh()
        assert catalog.resolve("new")


async def test_removed_model_is_unknown_while_triton_still_has_it() -> None:
    async with (
        running(triton_with("m", "n")) as triton,
        catalog_of(triton) as (catalog, publications),
    ):
        model, _ = catalog.resolve("n")
        publications.publish(triton.address, m=READY)
        with pytest.raises(NotFound, match="Available models are: 'm'"):
            catalog.resolve("n")
        with pytest.raises(NotFound):
            await catalog.check(model)


async def test_last_removed_model_is_unknown() -> None:
    async with running(triton_with("m")) as triton, catalog_of(triton) as (catalog, publications):
        publications.publish(triton.address)
        triton.models.clear()
        await catalog.refresh()
        with pytest.raises(NotFound, match="No model is available"):
            catalog.resolve("m")


async def test_failed_model_is_served_while_triton_has_an_older_version() -> None:
    async with running(triton_with("m")) as triton, catalog_of(triton) as (catalog, publications):
        publications.publish(triton.address, m=ModelState.FAILED)
        assert catalog.resolve("m")
        triton.models.clear()
        await catalog.refresh()
        with pytest.raises(NotFound):
            catalog.resolve("m")


async def test_models_of_a_restarting_triton_are_being_loaded() -> None:
    async with running(triton_with("m")) as triton, catalog_of(triton) as (catalog, publications):
        publications.publish(triton.address, m=LOADING)
        triton.models.clear()
        await catalog.refresh()
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve("m")


async def test_without_a_publication_the_models_are_those_of_triton() -> None:
    async with running(triton_with("m")) as triton, catalog_of(triton) as (catalog, publications):
        publications.publish(triton.address)
        publications.withdraw(triton.address)
        assert catalog.ready and catalog.resolve("m")


async def test_published_change_requests_all_configurations_immediately() -> None:
    async with running(triton_with("m")) as triton, catalog_of(triton) as (catalog, publications):
        refreshing = asyncio.ensure_future(catalog.run(600))
        publications.publish(triton.address, m=READY)

        async def requested() -> bool:
            return len(triton.config_requests) >= 2 * len(triton.models)

        await eventually_async(requested, message="the configurations are requested again")
        FakeExport("n").load(triton)
        publications.publish(triton.address, m=READY, n=READY)

        async def is_known() -> bool:
            return catalog.is_ready("n")

        await eventually_async(is_known, message="the new model is known")
        refreshing.cancel()


async def test_check_finds_a_model_that_its_user_has_unloaded() -> None:
    async with (
        running(triton_with("m", "n")) as triton,
        catalog_of(triton) as (catalog, publications),
    ):
        publications.withdraw(triton.address)
        model, _ = catalog.resolve("n")
        await catalog.check(model)
        triton.models = triton_with("m").models
        triton.models["m"].count(9)
        with pytest.raises(NotFound):
            await catalog.check(model)
