"""The models that requests can name: known, new and loading models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode

from testing.dns import DnsServer
from testing.fake_triton import FakeExport, FakeTriton, running, triton_with
from testing.publications import FakePublications
from testing.waiting import eventually_async
from triton_embed.contract.errors import NotFound, Unavailable
from triton_embed.contract.options import InputType
from triton_embed.gateway.triton import inventory
from triton_embed.gateway.triton.catalog import RELOAD_SECONDS, Catalog
from triton_embed.gateway.triton.inventory import MAX_CONFIG_AGE_SECONDS
from triton_embed.gateway.triton.servers import Servers
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import open_channel

GONE = (StatusCode.UNAVAILABLE, "Server exiting")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def catalog_of(
    *tritons: FakeTriton,
    clock: Clock | None = None,
    publications: FakePublications | None = None,
) -> AsyncIterator[Catalog]:
    """Make a catalog of `tritons`, refreshed once."""
    servers = Servers(grpc_target(",".join(item.address for item in tritons)), open_channel)
    catalog = Catalog(servers, publications or FakePublications(), clock or Clock())
    await catalog.refresh()
    try:
        yield catalog
    finally:
        await servers.close()


@asynccontextmanager
async def catalog_with(*model_ids: str) -> AsyncIterator[tuple[FakeTriton, Catalog]]:
    """Run a Triton with models, each used once, and make its catalog."""
    async with running(triton_with(*model_ids)) as triton, catalog_of(triton) as catalog:
        yield triton, catalog


def replace_all(triton: FakeTriton, *model_ids: str) -> None:
    """Restart `triton` with these models."""
    triton.models = triton_with(*model_ids).models
    for model in triton.models.values():
        model.count(0)


def ids(catalog: Catalog) -> list[str]:
    return [model.spec.model_id for model in catalog.models]


def config_requests(triton: FakeTriton) -> list[str]:
    """Return the models whose configuration was requested, and clear the record."""
    requests, triton.config_requests = triton.config_requests, []
    return sorted(requests)


async def test_suffix_states_the_input_type_once() -> None:
    async with catalog_with("one") as (_, catalog):
        assert catalog.resolve("one-query")[1] is InputType.QUERY
        for name in ("one-query-passage", "one-passage-query", "one-query-query"):
            with pytest.raises(NotFound):
                catalog.resolve(name)


async def test_id_that_ends_like_a_suffix_takes_precedence_over_the_suffix() -> None:
    async with catalog_with("one", "one-query") as (_, catalog):
        model, stated = catalog.resolve("one-query")
        assert (model.spec.model_id, stated) == ("one-query", None)


async def test_model_has_the_names_of_its_ensembles() -> None:
    async with catalog_with("Some/Model") as (_, catalog):
        model = catalog.resolve("Some/Model")[0]
        assert (model.name, model.max_batch_size) == ("some_model", 4)
        assert model.direct_name.startswith("some_model_")


@pytest.mark.parametrize("first", [True, False])
async def test_alias_is_not_another_model(first: bool) -> None:
    triton = triton_with() if first else triton_with("served/Name")
    FakeExport("served/Name").load(triton)
    async with running(triton), catalog_of(triton) as catalog:
        assert [model.name for model in catalog.models] == ["served_name"]


async def test_model_of_the_user_is_not_served() -> None:
    triton = triton_with("one")
    triton.load_ensemble("theirs", {"some": "parameter"})
    async with running(triton), catalog_of(triton) as catalog:
        assert ids(catalog) == ["one"]


async def test_broken_model_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    triton = triton_with("one")
    triton.load_ensemble("broken", {"model_id": "broken", "spec_version": "1"})
    async with running(triton), catalog_of(triton) as catalog:
        assert ids(catalog) == ["one"]
        await catalog.refresh()
    assert len([line for line in caplog.messages if "'broken'" in line]) == 1


@pytest.mark.parametrize("again", [[], ["one"]])
async def test_restarted_triton_will_load_its_known_models(again: list[str]) -> None:
    async with catalog_with("one", "two") as (triton, catalog):
        replace_all(triton, *again)
        await catalog.refresh()
        for name in ("two", "two-query"):
            with pytest.raises(Unavailable, match="being loaded"):
                catalog.resolve(name)


async def test_model_that_a_restarted_triton_does_not_load_is_unknown_in_the_end() -> None:
    clock = Clock()
    triton = triton_with("one", "two")
    async with running(triton), catalog_of(triton, clock=clock) as catalog:
        replace_all(triton, "one")
        await catalog.refresh()
        clock.now += RELOAD_SECONDS + 1
        await catalog.refresh()
        with pytest.raises(NotFound):
            catalog.resolve("two")


async def test_removed_model_is_unknown_while_other_models_are_served() -> None:
    async with catalog_with("one", "two", "three") as (triton, catalog):
        for name in [name for name in triton.models if name.startswith("two")]:
            del triton.models[name]
        triton.models["one"].count(9)
        await catalog.refresh()
        with pytest.raises(NotFound, match="Available models are: 'one', 'three'"):
            catalog.resolve("two")


async def test_model_with_steps_only_is_being_replaced() -> None:
    async with catalog_with("one", "two") as (triton, catalog):
        for name in [name for name in triton.models if name in ("two", "two_float")]:
            del triton.models[name]
        await catalog.refresh()
        assert catalog.resolve("two")[0].name == "two"
        assert catalog.ready


async def test_catalog_is_not_ready_while_the_only_model_is_being_replaced() -> None:
    async with catalog_with("one") as (triton, catalog):
        assert catalog.ready
        triton.models.clear()
        FakeExport("one", ensembles=False).load(triton)
        await catalog.refresh()
        assert not catalog.ready


async def test_new_model_with_steps_only_is_being_loaded() -> None:
    triton = triton_with("one")
    FakeExport("new", ensembles=False).load(triton)
    async with running(triton), catalog_of(triton) as catalog:
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve("new")


async def test_models_stay_known_while_triton_does_not_respond() -> None:
    async with catalog_with("one", "two") as (triton, catalog):
        triton.failure = GONE
        await catalog.refresh()
        assert not catalog.ready
        assert catalog.resolve("one")[0].name == "one"
        triton.failure = None
        replace_all(triton, "one")
        await catalog.refresh()
        assert catalog.ready
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve("two")


async def test_any_model_may_be_loading_before_triton_has_responded() -> None:
    triton = FakeTriton()
    triton.failure = GONE
    async with running(triton), catalog_of(triton) as catalog:
        assert not catalog.ready
        with pytest.raises(Unavailable, match="no model yet"):
            catalog.resolve("one")


async def test_catalog_recovers_by_itself() -> None:
    triton = triton_with("one")
    triton.failure = (StatusCode.INTERNAL, "defect")
    async with running(triton), catalog_of(triton) as catalog:
        refreshing = asyncio.create_task(catalog.run(0.01))
        triton.failure = None

        async def is_ready() -> bool:
            return catalog.ready

        await eventually_async(is_ready, message="the catalog is ready")
        refreshing.cancel()


async def test_response_that_is_not_understood_keeps_the_known_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def misunderstand(*_: object) -> bool:
        raise ValueError("unexpected end of data")

    async with catalog_with("one") as (_, catalog):
        monkeypatch.setattr(inventory, "has_restarted", misunderstand)
        await catalog.refresh()
        assert not catalog.ready
        assert catalog.resolve("one")


async def test_configurations_are_requested_once() -> None:
    async with catalog_with("one") as (triton, catalog):
        assert config_requests(triton) == sorted(triton.models)
        await catalog.refresh()
        assert config_requests(triton) == []


async def test_configuration_is_requested_again_if_its_counters_fell() -> None:
    async with catalog_with("one", "two") as (triton, catalog):
        triton.models["one"].count(9)
        await catalog.refresh()
        config_requests(triton)
        triton.models["one"].count(8)
        await catalog.refresh()
        assert config_requests(triton) == ["one"]


async def test_configuration_of_a_new_model_is_requested() -> None:
    async with catalog_with("one") as (triton, catalog):
        config_requests(triton)
        FakeExport("two").load(triton)
        await catalog.refresh()
        assert all(name.startswith("two") for name in config_requests(triton))
        assert ids(catalog) == ["one", "two"]


async def test_configuration_is_requested_again_when_it_is_old() -> None:
    clock = Clock()
    triton = triton_with("one")
    async with running(triton), catalog_of(triton, clock=clock) as catalog:
        config_requests(triton)
        clock.now += MAX_CONFIG_AGE_SECONDS
        await catalog.refresh()
        assert config_requests(triton) == sorted(triton.models)


async def test_model_unloaded_between_statistics_and_configuration_is_skipped() -> None:
    async with catalog_with("one") as (triton, catalog):
        FakeExport("two").load(triton)
        triton.unloading = {name for name in triton.models if name.startswith("two")}
        await catalog.refresh()
        assert ids(catalog) == ["one"]


@asynccontextmanager
async def two_tritons(
    one: FakeTriton, two: FakeTriton
) -> AsyncIterator[tuple[FakeTriton, FakeTriton, Catalog]]:
    async with running(one), running(two), catalog_of(one, two) as catalog:
        yield one, two, catalog


def addresses(catalog: Catalog, model_id: str) -> list[str]:
    """Return the addresses that requests for a model go to."""
    return [server.address for server in catalog.servers(catalog.resolve(model_id)[0])]


async def test_models_are_those_of_all_tritons() -> None:
    async with two_tritons(triton_with("one", "both"), triton_with("both", "two")) as (
        one,
        two,
        catalog,
    ):
        assert ids(catalog) == ["both", "one", "two"]
        assert addresses(catalog, "one") == [one.address]
        assert sorted(addresses(catalog, "both")) == sorted([one.address, two.address])
        assert catalog.is_everywhere(catalog.resolve("both")[0])
        assert not catalog.is_everywhere(catalog.resolve("one")[0])


async def test_catalog_is_ready_while_one_triton_serves_a_model() -> None:
    async with two_tritons(triton_with("one"), triton_with("one")) as (one, two, catalog):
        one.failure = GONE
        await catalog.refresh()
        assert catalog.ready
        assert addresses(catalog, "one") == [two.address]
        assert not catalog.is_everywhere(catalog.resolve("one")[0])
        two.failure = GONE
        await catalog.refresh()
        assert not catalog.ready


async def test_triton_that_has_not_loaded_the_model_yet_gets_no_requests_for_it() -> None:
    async with two_tritons(triton_with("one"), triton_with()) as (one, two, catalog):
        assert addresses(catalog, "one") == [one.address]
        FakeExport("one").load(two)
        await catalog.refresh()
        assert len(addresses(catalog, "one")) == 2
        assert catalog.is_everywhere(catalog.resolve("one")[0])


async def test_phases_state_the_address() -> None:
    async with two_tritons(triton_with("one"), triton_with("one")) as (one, two, catalog):
        found = {(phase.address, phase.name) for phase in catalog.phases()}
    assert found == {
        (triton.address, name)
        for triton in (one, two)
        for name in ("queue", "tokenize", "encode", "postprocess")
    }


async def test_removed_address_keeps_its_last_phases() -> None:
    with DnsServer({"triton.test": ["127.0.0.1", "127.0.0.2"]}) as dns:
        async with running(triton_with("one")) as one:
            port = one.address.rpartition(":")[2]
            two = triton_with("one")
            two.address = f"127.0.0.2:{port}"
            async with running(two):
                servers = Servers(f"dns://127.0.0.1:{dns.port}/triton.test:{port}", open_channel)
                catalog = Catalog(servers, FakePublications())
                await catalog.refresh()
                before = catalog.phases()
                dns.records["triton.test"] = ["127.0.0.1"]
                await catalog.refresh()
                assert addresses(catalog, "one") == [one.address]
                assert sorted(catalog.phases(), key=str) == sorted(before, key=str)
                await servers.close()


async def test_model_of_a_removed_address_may_come_back_at_another() -> None:
    with DnsServer({"triton.test": ["127.0.0.1"]}) as dns:
        async with running(triton_with("one")) as one:
            port = one.address.rpartition(":")[2]
            two = triton_with()
            two.address = f"127.0.0.2:{port}"
            async with running(two):
                servers = Servers(f"dns://127.0.0.1:{dns.port}/triton.test:{port}", open_channel)
                catalog = Catalog(servers, FakePublications())
                await catalog.refresh()
                dns.records["triton.test"] = ["127.0.0.2"]
                await catalog.refresh()
                with pytest.raises(Unavailable, match="being loaded"):
                    catalog.resolve("one")
                await servers.close()


async def test_name_that_cannot_be_resolved_keeps_the_known_addresses() -> None:
    with DnsServer({"triton.test": ["127.0.0.1"]}) as dns:
        async with running(triton_with("one")) as one:
            port = one.address.rpartition(":")[2]
            servers = Servers(f"dns://127.0.0.1:{dns.port}/triton.test:{port}", open_channel)
            catalog = Catalog(servers, FakePublications())
            await catalog.refresh()
            dns.records.clear()
            await catalog.refresh()
            assert catalog.ready
            assert ids(catalog) == ["one"]
            await servers.close()
