"""Requests for tokens through the whole application to a Triton on loopback."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import httpx
import pytest

from testing.asgi import asgi_client
from testing.fake_triton import FakeExport, FakeTriton, running
from testing.ports import free_ports
from triton_embed.gateway.app import create
from triton_embed.gateway.settings import Settings

MAX_INPUTS = 10


@pytest.fixture
async def triton() -> AsyncIterator[FakeTriton]:
    triton = FakeTriton()
    FakeExport("m").load(triton)
    FakeExport("sides", spec={"prompt_query": "q: ", "max_tokens_query": 4}).load(triton)
    async with running(triton):
        yield triton


@pytest.fixture
async def client(triton: FakeTriton) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        triton_address=triton.address,
        # A service on this machine may publish its state at the default port.
        status_port=free_ports(1)[0],
        max_inputs_per_request=MAX_INPUTS,
    )
    app = create(settings)
    async with app.router.lifespan_context(app), asgi_client(app) as client:
        yield client
    gc.unfreeze()


@pytest.mark.parametrize("path", ["/v1/tokenize", "/tokenize"])
async def test_tokens_are_those_of_the_tokenizer_step(
    triton: FakeTriton, client: httpx.AsyncClient, path: str
) -> None:
    response = await client.post(path, json={"model": "m", "input": ["abcde", "f", "gh"]})
    assert response.status_code == 200
    assert response.json() == {
        "object": "list",
        "data": [
            {"object": "tokens", "index": 0, "token_ids": [97, 98, 99, 100, 101], "count": 5},
            {"object": "tokens", "index": 1, "token_ids": [102], "count": 1},
            {"object": "tokens", "index": 2, "token_ids": [103, 104], "count": 2},
        ],
        "model": "m",
        "max_tokens": 8,
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    ((request, _),) = triton.inferences
    assert request.model_name == "m_tokenizer"
    assert {output.name for output in request.outputs} == {"token_ids", "token_count"}
    assert request.parameters["tokenize_only"].bool_param


async def test_list_longer_than_a_triton_request_keeps_its_order(client: httpx.AsyncClient) -> None:
    texts = [chr(97 + index) * (index + 1) for index in range(MAX_INPUTS)]
    response = await client.post("/v1/tokenize", json={"model": "m", "input": texts})
    ids = [item["token_ids"] for item in response.json()["data"]]
    assert ids == [list(text.encode()) for text in texts]


async def test_prompt_and_limit_are_those_of_the_input_type(
    triton: FakeTriton, client: httpx.AsyncClient
) -> None:
    response = await client.post("/v1/tokenize", json={"model": "sides-query", "input": "a"})
    assert response.json()["max_tokens"] == 4
    ((request, _),) = triton.inferences
    assert request.parameters["input_type"].string_param == "query"


async def test_options_of_the_vectors_have_no_effect(client: httpx.AsyncClient) -> None:
    body = {"model": "m", "input": "ab", "dimensions": 2, "encoding_format": "base64"}
    response = await client.post("/v1/tokenize", json=body)
    assert response.json()["data"][0]["token_ids"] == [97, 98]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": [[1, 2]]}, "'input' must be a string or a list of strings"),
        ({"input": [""]}, "'input' must not be empty"),
        ({"input": ["a"] * (MAX_INPUTS + 1)}, "'input' has 11 inputs, at most 10 are allowed"),
        ({"input": "a", "truncate": "MIDDLE"}, "'truncate': input should be"),
        ({"input": "a", "model": "sides"}, "'input_type' parameter is required"),
    ],
)
async def test_invalid_request_is_rejected(
    client: httpx.AsyncClient, body: dict[str, object], message: str
) -> None:
    response = await client.post("/v1/tokenize", json={"model": "m", **body})
    assert response.status_code == 400
    assert response.json()["message"].startswith(message)


async def test_text_costs_less_than_its_vector(client: httpx.AsyncClient) -> None:
    # Its vector would be over the queue's budget.
    texts = ["word " * 10**5] * MAX_INPUTS
    response = await client.post("/v1/tokenize", json={"model": "m", "input": texts})
    assert [item["count"] for item in response.json()["data"]] == [5 * 10**5] * MAX_INPUTS
