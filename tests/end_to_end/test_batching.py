"""The batch_mates a text travels in never changes its vector, and texts do travel together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from testing.minilm import MINILM, MINILM_TRITON_NAME
from testing.server import RunningServer
from testing.texts import mixed_texts


async def embed_groups(
    service: RunningServer, groups: Sequence[Sequence[str]], clients: int
) -> NDArray[np.float32]:
    """Send each group as one request, `clients` at a time; return the vectors in order."""
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:

        async def send(group: Sequence[str]) -> list[list[float]]:
            body = {"model": MINILM, "input": list(group), "truncate": "END"}
            answer = await client.post(f"{service.url}/v1/embeddings", json=body)
            assert answer.status_code == 200, answer.text
            data = answer.json()["data"]
            assert [item["index"] for item in data] == list(range(len(group)))
            return [item["embedding"] for item in data]

        answers = await asyncio.gather(*map(send, groups))
    return np.array([vector for answer in answers for vector in answer], np.float32)


async def test_200_texts_alone_together_or_in_groups_give_the_same_vectors(
    service: RunningServer, reference: SentenceTransformer
) -> None:
    texts = mixed_texts(200)
    expected = reference.encode(texts)
    together = await embed_groups(service, [texts], clients=1)
    alone = await embed_groups(service, [[text] for text in texts], clients=200)
    generator = random.Random(1)
    groups: list[list[str]] = []
    while (start := sum(map(len, groups))) < len(texts):
        groups.append(texts[start : start + generator.randint(1, 40)])
    grouped = await embed_groups(service, groups, clients=8)
    for vectors in (together, alone, grouped):
        assert np.abs(vectors - expected).max() < 1e-4


async def test_a_list_longer_than_the_batch_size_comes_back_whole_and_in_order(
    service: RunningServer,
) -> None:
    texts = mixed_texts(300, seed=2)
    both_ways = await embed_groups(service, [texts, texts[::-1]], clients=2)
    assert np.abs(both_ways[:300] - both_ways[300:][::-1]).max() < 1e-4


async def test_concurrent_clients_share_executions_of_the_encoder(
    service: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = f"{MINILM_TRITON_NAME}_encoder"
    names = ("nv_inference_count", "nv_inference_exec_count")
    before = [service.triton_metric(name, encoder) for name in names]
    groups = [[text] for text in mixed_texts(320, seed=3)]
    await embed_groups(service, groups, clients=16)
    # Triton counts an execution after it has answered.
    while service.triton_metric(names[0], encoder) - before[0] < 320:
        pass
    items, executions = (
        service.triton_metric(name, encoder) - old for name, old in zip(names, before, strict=True)
    )
    with capsys.disabled():
        print(f"\n16 clients: {items:.0f} texts in {executions:.0f} executions of the encoder")
    assert items / executions > 3
