"""Models as the API describes them."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from testing.asgi import asgi_client
from testing.fake_triton import FakeExport, FakeTriton, running, texts_of
from testing.ports import free_ports
from triton_embed.gateway.app import create
from triton_embed.gateway.settings import Settings

ASYMMETRIC = {"prompt_query": "q: ", "prompt_passage": "p: ", "max_tokens_query": 4}


@asynccontextmanager
async def serving(triton: FakeTriton, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application in front of `triton`, which gets the models ``Asym`` and ``sym``."""
    FakeExport("Asym", spec=ASYMMETRIC).load(triton)
    FakeExport("sym").load(triton)
    async with running(triton):
        app = create(
            Settings(triton_address=triton.address, status_port=free_ports(1)[0], **settings)
        )
        async with app.router.lifespan_context(app), asgi_client(app) as client:
            yield client
    gc.unfreeze()


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await client.get("/v1/models")).json()["data"])


async def test_models_are_listed_with_their_limits_and_input_types() -> None:
    async with serving(FakeTriton()) as client:
        models = await listed(client)
    base = {"object": "model", "created": 0, "owned_by": "triton-embed", "dimension": 2}
    assert models == [
        {
            **{"id": "Asym", "root": "Asym", **base, "max_tokens": 8},
            **{"input_types": ["query", "passage"], "input_type_required": True},
            **{"modalities": ["text"], "exported_at": "2026-01-01T00:00:00Z"},
        },
        {
            **{"id": "sym", "root": "sym", **base, "max_tokens": 8},
            **{"input_types": [], "input_type_required": False},
            **{"modalities": ["text"], "exported_at": "2026-01-01T00:00:00Z"},
        },
    ]


async def test_suffixed_models_are_listed_if_the_setting_is_on() -> None:
    async with serving(FakeTriton(), list_suffixed_models=True) as client:
        models = {model["id"]: model for model in await listed(client)}
        one = (await client.get("/v1/models/asym-QUERY")).json()
    assert list(models) == ["Asym", "Asym-query", "Asym-passage", "sym"]
    query = models["Asym-query"]
    assert one == query
    assert (query["root"], query["max_tokens"]) == ("Asym", 4)
    assert (query["input_types"], query["input_type_required"]) == (["query"], False)


async def test_aliases_are_listed_with_the_id_of_their_model_as_root() -> None:
    triton = FakeTriton()
    FakeExport("first", spec={"aliases": ("Second",)}).load(triton)
    async with serving(triton) as client:
        models = await listed(client)
        one = (await client.get("/v1/models/second")).json()
        embedded = await client.post("/v1/embeddings", json={"model": "SECOND", "input": "a"})
    assert [(model["id"], model["root"]) for model in models] == [
        *(("Asym", "Asym"), ("first", "first"), ("Second", "first"), ("sym", "sym"))
    ]
    assert one == models[2]
    assert embedded.json()["model"] == "first"


async def test_request_without_input_type_to_an_asymmetric_model_names_the_suffixes() -> None:
    async with serving(FakeTriton()) as client:
        body = {"model": "asym", "input": "a"}
        error = (await client.post("/v1/embeddings", json=body)).json()["error"]
    assert error["param"] == "input_type"
    assert "'Asym-query' or 'Asym-passage'" in error["message"]


async def test_default_input_type_applies_to_a_request_without_one() -> None:
    triton = FakeTriton()
    async with serving(triton, default_input_type="passage") as client:
        for name in ("Asym", "Asym-query", "sym"):
            body = {"model": name, "input": name}
            assert (await client.post("/v1/embeddings", json=body)).status_code == 200
        (asymmetric, _) = await listed(client)
    stated = {
        texts_of(request)[0].decode(): request.parameters["input_type"].string_param
        for request, _ in triton.inferences
    }
    assert stated == {"Asym": "passage", "Asym-query": "query", "sym": ""}
    assert not asymmetric["input_type_required"]
