"""Which models there are, and which will be again."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from triton_embed.contract.errors import NotFound, Unavailable
from triton_embed.contract.options import InputType
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.triton import catalog as catalogs
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.gateway.triton.client import InferenceClient

ROLES = {"tokenizer": "tokenize", "encoder": "encode", "postprocess": "postprocess"}


class Server:
    """Stands in for Triton: `counts` says how often it has run each ensemble that it has.

    It says `failure` instead if there is one, and nothing at all if it `hangs`.
    """

    def __init__(self, **counts: int) -> None:
        self.counts = counts
        self.steps: set[str] = set()
        self.model_ids: dict[str, str] = {}
        self.roles: dict[str, str] = {}
        self.failure: Exception | None = None
        self.hangs = False
        self.asked = 0

    async def statistics(self) -> list[dict[str, Any]]:
        self.asked += 1
        if self.failure:
            raise self.failure
        if self.hangs:
            await asyncio.Event().wait()
        loaded = {**self.counts, **dict.fromkeys(self.steps, 0)}
        return [{"name": name, "inference_count": count} for name, count in loaded.items()]

    async def config(self, name: str) -> dict[str, Any] | None:
        model_id = self.model_ids.get(name, name)
        spec = ModelSpec(model_id=model_id, max_tokens=8, vocab_size=9, dimension=1)
        role = name.rpartition("_")[2]
        values = {
            **spec_to_parameters(spec),
            "role": ROLES.get(role, self.roles.get(name, "entry")),
        }
        parameters = {key: {"string_value": text} for key, text in values.items()}
        return {"parameters": parameters, "max_batch_size": 4}


async def looked_at(server: Server) -> Catalog:
    catalog = Catalog(cast(InferenceClient, server))
    await catalog.refresh()
    return catalog


async def test_a_suffix_stands_for_the_input_type_and_only_one_of_them() -> None:
    catalog = await looked_at(Server(one=1))
    assert catalog.resolve("one-query")[1] is InputType.QUERY
    for name in ("one-query-passage", "one-passage-query", "one-query-query"):
        with pytest.raises(NotFound):
            catalog.resolve(name)


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


@pytest.mark.parametrize(
    "left", [{"one": 10, "three": 4}, {"one": 9, "three": 4}, {"one": 10, "three": 0}]
)
async def test_a_model_that_is_gone_while_the_others_go_on_is_unknown(left: dict[str, int]) -> None:
    server = Server(one=9, two=5, three=4)
    catalog = await looked_at(server)
    server.counts = left
    await catalog.refresh()
    with pytest.raises(NotFound):
        catalog.resolve("two")


async def test_a_model_of_which_there_are_only_steps_is_being_replaced() -> None:
    server = Server(one=9, two=5)
    catalog = await looked_at(server)
    server.counts = {"one": 10}
    server.steps, server.model_ids = {"two_tokenizer"}, {"two_tokenizer": "two"}
    await catalog.refresh()
    assert catalog.resolve("two")[0].name == "two"


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
        (await looked_at(server)).resolve("new")[0]


@pytest.mark.parametrize("names", [("Public", "tiny"), ("tiny", "Public")])
async def test_a_model_is_called_by_its_entry_not_its_alias(names: tuple[str, str]) -> None:
    server = Server(**dict.fromkeys(names, 1))
    server.model_ids = dict.fromkeys(names, "served/name")
    server.roles = {"Public": "alias"}
    assert (await looked_at(server)).resolve("served/name")[0].name == "tiny"


@pytest.mark.parametrize("hangs", [False, True])
async def test_while_triton_does_not_answer_nobody_is_ready_and_its_models_stay_known(
    hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs, "ANSWER_SECONDS", 0.05)
    server = Server(one=0, two=0)
    catalog = await looked_at(server)
    server.hangs, server.failure = hangs, None if hangs else Unavailable("gone")
    await asyncio.wait_for(catalog.refresh(), 10)
    assert not catalog.ready
    assert catalog.resolve("one")[0].name == "one"
    server.hangs, server.failure, server.counts = False, None, {"one": 0}
    await catalog.refresh()
    assert catalog.ready
    with pytest.raises(Unavailable, match="being loaded"):
        catalog.resolve("two")[0]


async def test_before_triton_has_answered_every_model_may_be_about_to_come() -> None:
    server = Server(one=9)
    server.failure = Unavailable("not yet")
    with pytest.raises(Unavailable, match="no model yet"):
        (await looked_at(server)).resolve("one")[0]


async def test_an_answer_that_makes_no_sense_does_not_end_the_looking() -> None:
    server = Server(one=9)
    server.failure = ValueError("unexpected end of data")
    catalog = Catalog(cast(InferenceClient, server))
    looking = asyncio.create_task(catalog.keep_fresh(0.01))
    while not server.asked and not looking.done():
        await asyncio.sleep(0.01)
    server.failure = None
    while not catalog.ready and not looking.done():
        await asyncio.sleep(0.01)
    assert catalog.ready
    looking.cancel()


async def test_while_the_answers_are_not_understood_models_are_known_but_none_is_ready() -> None:
    server = Server(one=9)
    catalog = await looked_at(server)
    server.failure = ValueError("unexpected end of data")
    await catalog.refresh()
    assert not catalog.ready
    assert catalog.resolve("one")


async def test_an_id_that_itself_ends_like_a_suffix_goes_before_it() -> None:
    catalog = await looked_at(Server(**{"one": 1, "one-query": 1}))
    model, stated = catalog.resolve("one-query")
    assert (model.spec.model_id, stated) == ("one-query", None)


class Counting(Server):
    """Says of each step of ``m`` how long it took: 1 s, 10 s or 100 s for each kind of work."""

    async def statistics(self) -> list[dict[str, Any]]:
        kinds = {"queue": 1, "compute_input": 2, "compute_infer": 3, "compute_output": 4}
        steps = {"m_tokenizer": 1, "m_encoder": 10, "m_postprocess": 100}
        return await super().statistics() + [
            {
                "name": name,
                "inference_count": 9,
                "inference_stats": {
                    kind: {"count": seconds, "ns": factor * seconds * 10**9}
                    for kind, factor in {**kinds, "success": 0}.items()
                },
            }
            for name, seconds in steps.items()
        ]


async def test_the_phases_are_the_seconds_that_tritons_steps_took() -> None:
    server = Counting(m=9)
    server.model_ids = dict.fromkeys(("m_tokenizer", "m_encoder", "m_postprocess"), "m")
    phases = (await looked_at(server)).phases()
    assert [(phase.name, phase.count, phase.seconds) for phase in phases] == [
        ("queue", 10, 111.0),
        ("tokenize", 1, 9.0),
        ("infer", 10, 90.0),
    ]
