"""Batch invariance: batch mates never change a vector; concurrent texts share executions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import httpx
import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from testing.minilm import MINILM, MINILM_TRITON_NAME
from testing.server import REQUEST_SECONDS, RunningServer
from testing.texts import mixed_texts
from testing.waiting import eventually


async def embed_lists(
    service: RunningServer, lists: Sequence[Sequence[str]], clients: int
) -> NDArray[np.float32]:
    """Send each list as one request, `clients` at a time; return the vectors in order."""
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS, limits=limits) as client:

        async def send(texts: Sequence[str]) -> list[list[float]]:
            body = {"model": MINILM, "input": list(texts), "truncate": "END"}
            response = await client.post(f"{service.url}/v1/embeddings", json=body)
            assert response.status_code == 200, response.text
            data = response.json()["data"]
            assert [item["index"] for item in data] == list(range(len(texts)))
            return [item["embedding"] for item in data]

        responses = await asyncio.gather(*map(send, lists))
    return np.array([vector for vectors in responses for vector in vectors], np.float32)


async def test_batch_mates_do_not_change_vectors(
    service: RunningServer, reference: SentenceTransformer
) -> None:
    texts = mixed_texts(200)
    expected = reference.encode(texts)
    together = await embed_lists(service, [texts], clients=1)
    alone = await embed_lists(service, [[text] for text in texts], clients=200)
    generator = random.Random(1)
    lists: list[list[str]] = []
    while (start := sum(map(len, lists))) < len(texts):
        lists.append(texts[start : start + generator.randint(1, 40)])
    in_lists = await embed_lists(service, lists, clients=8)
    for vectors in (together, alone, in_lists):
        assert np.abs(vectors - expected).max() < 1e-4


async def test_list_longer_than_the_batch_size_keeps_its_order(
    service: RunningServer,
) -> None:
    texts = mixed_texts(300, seed=2)
    both_ways = await embed_lists(service, [texts, texts[::-1]], clients=2)
    assert np.abs(both_ways[:300] - both_ways[300:][::-1]).max() < 1e-4


async def test_concurrent_requests_share_executions_of_the_encoder(service: RunningServer) -> None:
    def counted() -> tuple[float, float]:
        encoder = f"{MINILM_TRITON_NAME}_encoder"
        texts = service.triton_metric("nv_inference_count", encoder)
        return texts, service.triton_metric("nv_inference_exec_count", encoder)

    texts_before, executions_before = counted()
    await embed_lists(service, [[text] for text in mixed_texts(320, seed=3)], clients=16)
    # Triton counts an execution after its response.
    eventually(lambda: counted()[0] - texts_before >= 320, message="all texts are counted")
    texts, executions = counted()
    assert (texts - texts_before) / (executions - executions_before) > 3


async def test_large_and_short_requests_keep_their_vectors_side_by_side(
    service: RunningServer, reference: SentenceTransformer
) -> None:
    def counted() -> float:
        return service.triton_metric("nv_inference_count", f"{MINILM_TRITON_NAME}_tokenizer")

    short = mixed_texts(40, seed=4)
    # The tokenizer step tokenizes such texts in the background.
    large = [text + " many more words" * 10**4 for text in mixed_texts(10, seed=5)]
    large += ["向量检索" * 10**4, "endless" * 10**4, "가나다라" * 10**4]
    texts = [*short, *large]
    before = counted()
    vectors = await embed_lists(service, [[text] for text in texts], clients=16)
    assert np.abs(vectors - reference.encode(texts)).max() < 1e-4
    eventually(lambda: counted() - before >= len(texts), message="all texts are counted")
