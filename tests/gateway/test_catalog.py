"""Which models there are, and which will be again."""

from __future__ import annotations

from typing import Any, cast

import pytest

from contract.card import ModelCard
from contract.errors import NotFound, Unavailable
from contract.options import InputType
from gateway.catalog import Catalog
from gateway.triton import Triton


class Server:
    """Stands in for Triton: `counts` says how often it has run each ensemble that it has."""

    def __init__(self, **counts: int) -> None:
        self.counts = counts
        self.steps: set[str] = set()
        self.model_ids: dict[str, str] = {}

    async def statistics(self) -> list[dict[str, Any]]:
        loaded = {**self.counts, **dict.fromkeys(self.steps, 0)}
        return [{"name": name, "inference_count": count} for name, count in loaded.items()]

    async def config(self, name: str) -> dict[str, Any] | None:
        model_id = self.model_ids.get(name, name)
        card = ModelCard(model_id=model_id, max_tokens=8, vocab_size=9, dimension=1)
        parameters = {key: {"string_value": text} for key, text in card.to_parameters().items()}
        config = {"parameters": parameters, "max_batch_size": 4}
        return config if name in self.steps else {**config, "ensemble_scheduling": {}}


async def looked_at(server: Server) -> Catalog:
    catalog = Catalog(cast(Triton, server))
    await catalog.refresh()
    return catalog


async def test_a_suffix_stands_for_the_input_type_and_only_one_of_them() -> None:
    catalog = await looked_at(Server(one=1))
    assert catalog.resolve("one-query")[1] is InputType.QUERY
    for name in ("one-query-passage", "one-passage-query", "one-query-query"):
        with pytest.raises(NotFound):
            catalog.resolve(name)
    with pytest.raises(NotFound):
        catalog.get("one-query")


@pytest.mark.parametrize("again", [{}, {"one": 1}])
async def test_what_a_triton_had_before_it_began_anew_is_about_to_come(
    again: dict[str, int],
) -> None:
    server = Server(one=9, two=5)
    catalog = await looked_at(server)
    server.counts = again
    await catalog.refresh()
    for name in ("two", "two-query"):
        with pytest.raises(Unavailable, match="being loaded"):
            catalog.resolve(name)


async def test_a_model_that_is_gone_while_the_others_go_on_is_unknown() -> None:
    server = Server(one=9, two=5)
    catalog = await looked_at(server)
    server.counts = {"one": 10}
    await catalog.refresh()
    with pytest.raises(NotFound):
        catalog.resolve("two")


async def test_a_model_of_which_there_are_only_steps_is_being_replaced() -> None:
    server = Server(one=9, two=5)
    catalog = await looked_at(server)
    server.counts = {"one": 10}
    server.steps, server.model_ids = {"two_tokenizer"}, {"two_tokenizer": "two"}
    await catalog.refresh()
    assert catalog.get("two").name == "two"


async def test_nobody_is_ready_while_the_only_model_is_being_replaced() -> None:
    server = Server(one=9)
    catalog = await looked_at(server)
    assert catalog.ready
    server.counts, server.steps, server.model_ids = {}, {"one_encoder"}, {"one_encoder": "one"}
    await catalog.refresh()
    assert not catalog.ready


async def test_a_model_of_which_there_are_only_steps_is_about_to_come() -> None:
    server = Server(one=9)
    server.steps, server.model_ids = {"new_tokenizer"}, {"new_tokenizer": "new"}
    with pytest.raises(Unavailable):
        (await looked_at(server)).get("new")


@pytest.mark.parametrize("names", [("Public", "tiny"), ("tiny", "Public")])
async def test_of_two_ensembles_of_a_model_the_one_with_steps_is_asked(
    names: tuple[str, str],
) -> None:
    server = Server(**dict.fromkeys(names, 1))
    server.model_ids = dict.fromkeys(names, "served/name")
    server.steps = {"tiny_encoder"}
    assert (await looked_at(server)).get("served/name").name == "tiny"
