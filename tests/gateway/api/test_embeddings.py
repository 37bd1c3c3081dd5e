"""Requests through the whole application to a Triton on loopback."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import grpc
import httpx
import numpy as np
import pytest

from testing.asgi import asgi_client
from testing.fake_triton import FakeExport, FakeTriton, running
from testing.metrics import samples
from testing.ports import free_ports
from triton_embed.gateway.api import inference
from triton_embed.gateway.api import request as schema
from triton_embed.gateway.api.inference import MAX_INLINE_BYTES, MAX_UNORDERED_BYTES
from triton_embed.gateway.api.request import EmbeddingRequest
from triton_embed.gateway.app import create
from triton_embed.gateway.settings import Settings

MAX_INPUTS = 10


@dataclass
class Gateway:
    """A running application.

    Attributes:
        triton: Its Triton, which has the model ``m``.
        client: A client of it.
    """

    triton: FakeTriton
    client: httpx.AsyncClient

    async def embed(self, **body: object) -> httpx.Response:
        """Send a request."""
        return await self.client.post("/v1/embeddings", json={"model": "m", **body})

    async def metrics(self) -> dict[str, float]:
        """Return the metrics."""
        return samples((await self.client.get("/metrics")).text)


@asynccontextmanager
async def serving(triton: FakeTriton) -> AsyncIterator[Gateway]:
    """Run the application in front of `triton`."""
    async with running(triton):
        app = create(
            Settings(
                triton_address=triton.address,
                status_port=free_ports(1)[0],
                max_inputs_per_request=MAX_INPUTS,
            )
        )
        async with app.router.lifespan_context(app), asgi_client(app) as client:
            yield Gateway(triton, client)
    gc.unfreeze()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    triton = FakeTriton()
    FakeExport("m").load(triton)
    async with serving(triton) as gateway:
        yield gateway


async def test_vectors_are_in_the_order_of_the_inputs(gateway: Gateway) -> None:
    response = await gateway.embed(input=["a", "bb", "ccc", "d", "ee", "f"])
    assert response.status_code == 200
    body = response.json()
    assert (body["object"], body["model"]) == ("list", "m")
    # `FakeTriton` returns the length and the first byte of each text.
    assert [item["embedding"] for item in body["data"]] == [
        *([1, 97], [2, 98], [3, 99], [1, 100], [2, 101], [1, 102])
    ]
    assert [item["index"] for item in body["data"]] == list(range(6))
    assert {item["object"] for item in body["data"]} == {"embedding"}
    assert body["usage"] == {"prompt_tokens": 10, "total_tokens": 10}


async def test_vectors_are_encoded_in_base64(gateway: Gateway) -> None:
    response = await gateway.embed(input="abc", encoding_format="base64")
    (item,) = response.json()["data"]
    vector = np.frombuffer(base64.b64decode(item["embedding"]), "<f4")
    assert vector.tolist() == [3, 97]


async def test_embedded_requests_are_counted(gateway: Gateway) -> None:
    for texts in ["a", ["bb", "ccc"]]:
        await gateway.embed(input=texts)
    found = await gateway.metrics()
    assert found['triton_embed_inputs_total{model="m"}'] == 3
    assert found['triton_embed_tokens_total{model="m"}'] == 6
    assert found['triton_embed_inputs_per_request_count{model="m"}'] == 2
    assert found['triton_embed_inputs_per_request_sum{model="m"}'] == 3
    for phase in ("parse", "queue", "inference", "serialize"):
        labels = f'model="m",phase="{phase}"'
        assert found[f"triton_embed_phase_duration_seconds_count{{{labels}}}"] == 2
    assert found["triton_embed_inputs_in_flight"] == 0


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"input": ["a"] * (MAX_INPUTS + 1)}, 400, "'input' has 11 inputs, at most 10 are allowed"),
        ({"input": "a", "truncate": "x"}, 400, "'truncate': input should be"),
        ({"input": "a", "dimensions": 1}, 400, "This model does not support 'dimensions'"),
        ({"input": "a", "model": "n"}, 404, "The model 'n' does not exist."),
    ],
)
async def test_invalid_request_does_not_reach_triton(
    gateway: Gateway, body: dict[str, object], status: int, message: str
) -> None:
    response = await gateway.embed(**body)
    assert response.status_code == status
    assert response.json()["message"].startswith(message)
    assert not gateway.triton.inferences


async def test_log_has_model_inputs_and_tokens(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    await gateway.embed(input=["a", "bb"])
    await gateway.embed(input=["a", "bb"], dimensions=1)
    embedded, rejected = (vars(record) for record in caplog.records)
    assert (embedded["model"], embedded["inputs"], embedded["tokens"]) == ("m", 2, 3)
    assert (rejected["model"], rejected["inputs"]) == ("m", 2)
    assert (rejected["code"], rejected["param"]) == ("unsupported_parameter", "dimensions")


async def test_series_of_a_model_start_with_0(gateway: Gateway) -> None:
    found = await gateway.metrics()
    assert found['triton_embed_inputs_total{model="m"}'] == 0
    assert found['triton_embed_model_ready{model="m"}'] == 1
    assert found["triton_embed_inputs_limit"] == 1024
    labels = 'method="POST",route="/v1/embeddings",status="503"'
    assert found[f"triton_embed_http_requests_total{{{labels}}}"] == 0


async def test_longest_list_is_embedded(gateway: Gateway) -> None:
    response = await gateway.embed(input=["a"] * MAX_INPUTS)
    assert len(response.json()["data"]) == MAX_INPUTS


async def test_request_that_triton_cannot_serve_is_counted_as_rejected(gateway: Gateway) -> None:
    gateway.triton.infer_failures.append((grpc.StatusCode.UNAVAILABLE, "stopping"))
    response = await gateway.embed(input="a")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    found = await gateway.metrics()
    assert found['triton_embed_requests_rejected_total{reason="unavailable"}'] == 1
    assert found.get('triton_embed_inputs_total{model="m"}', 0) == 0
    assert found["triton_embed_inputs_in_flight"] == 0


async def test_request_before_the_first_model_is_unavailable() -> None:
    async with serving(FakeTriton()) as gateway:
        response = await gateway.embed(input="a")
    assert response.status_code == 503
    assert response.json()["message"].startswith("There is no model yet")


async def test_compressed_body_is_rejected_with_its_encoding(gateway: Gateway) -> None:
    response = await gateway.client.post(
        "/v1/embeddings", content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"}
    )
    assert response.status_code == 415
    assert "Content-Encoding 'gzip'" in response.json()["message"]


async def test_invalid_body_that_is_not_compressed_keeps_its_error(gateway: Gateway) -> None:
    response = await gateway.client.post(
        "/v1/embeddings", content=b' {"model": "m"}', headers={"content-encoding": "identity"}
    )
    assert response.status_code == 400
    assert response.json()["param"] == "input"


@pytest.mark.parametrize(
    "path", ["//v1/embeddings", "/v1//embeddings", "/v1/embeddings/", "/openai/v1/embeddings"]
)
async def test_path_of_a_slightly_different_base_url_is_accepted(
    gateway: Gateway, path: str
) -> None:
    # As a whole URL: with a base URL, httpx would join the slashes itself.
    response = await gateway.client.post(
        f"http://gateway{path}", json={"model": "m", "input": "one"}
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/embeddings", "/v1/embeddings"),
        ("/v1/v1/embeddings", "/v1/embeddings"),
        ("/models", "/v1/models"),
    ],
)
async def test_unknown_path_is_an_error_with_the_right_one(
    gateway: Gateway, path: str, hint: str
) -> None:
    response = await gateway.client.post(path)
    assert response.status_code == 404
    assert f"use {hint}" in response.json()["message"]


@pytest.mark.parametrize("size", [10, MAX_INLINE_BYTES])
async def test_largest_bodies_are_read_in_a_thread_of_their_own(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    threads = []

    def parse(body: bytes) -> EmbeddingRequest:
        threads.append(threading.current_thread())
        return schema.parse(body)

    monkeypatch.setattr(inference, "schema", SimpleNamespace(parse=parse))
    response = await gateway.embed(input=["a" * (size // 5 + 1)] * 5)
    assert response.status_code == 200
    assert (threads == [threading.main_thread()]) == (size < MAX_INLINE_BYTES)


async def test_large_bodies_are_read_in_turns(gateway: Gateway) -> None:
    body = ["a" * MAX_UNORDERED_BYTES] * 2
    responses = await asyncio.gather(*(gateway.embed(input=body) for _ in range(5)))
    assert {response.status_code for response in responses} == {200}
    rejected = await asyncio.gather(*(gateway.embed(input=[*body, ""]) for _ in range(5)))
    assert {response.status_code for response in rejected} == {400}
