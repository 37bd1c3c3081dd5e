"""Whoever leaves keeps its place for as long as Triton has work for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.inputs import map_inputs
from triton_embed.contract.options import Options
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.scheduling.scheduler import Embedder
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.client import InferenceClient
from triton_embed.gateway.triton.model import ServedModel

SPEC = ModelSpec(model_id="m", max_tokens=8, vocab_size=9, dimension=1)
MODEL = ServedModel(SPEC, "m", "m", 256)


def refuse_wrong(item: bytes) -> None:
    if item.startswith(b"wrong"):
        raise InvalidRequest("'input' is wrong", param="input")


class Held:
    """Stands in for Triton: answers when it is told to, and refuses what is wrong.

    `pieces` are the inputs that it was asked for at a time.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.pieces: list[list[bytes]] = []
        self.answering = asyncio.Event()

    def trace(self) -> tuple[tuple[str, str], ...]:
        return ()

    async def embed(self, _: ServedModel, inputs: Sequence[bytes], *__: Any) -> EmbeddingBatch:
        self.asked += 1
        self.pieces.append(list(inputs))
        await self.answering.wait()
        map_inputs(inputs, refuse_wrong)
        return EmbeddingBatch(
            np.zeros((len(inputs), 1), np.float32), np.ones(len(inputs), np.int32)
        )


@pytest.mark.parametrize("inputs", [[b"a"], [b"long" * 16] * 100])
async def test_one_that_leaves_is_waited_for(inputs: list[bytes]) -> None:
    triton = Held()
    answers: list[None] = []
    embedder = Embedder(cast(InferenceClient, triton))
    asking = asyncio.create_task(
        embedder.embed(MODEL, inputs, Options(), lambda: answers.append(None))
    )
    while not triton.asked:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0)
    assert not asking.done() and not answers
    triton.answering.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(answers) == triton.asked


@pytest.mark.parametrize("inputs", [[b"wrong"], [b"wrong"] * 300])
async def test_a_refusal_counts_as_an_answer(inputs: list[bytes]) -> None:
    triton = Held()
    answers: list[None] = []
    triton.answering.set()
    embedder = Embedder(cast(InferenceClient, triton))
    with pytest.raises(InvalidRequest):
        await embedder.embed(MODEL, inputs, Options(), lambda: answers.append(None))
    assert len(answers) == triton.asked


async def test_one_that_is_sent_alone_is_told_by_its_place_in_the_list() -> None:
    triton = Held()
    triton.answering.set()
    embedder = Embedder(cast(InferenceClient, triton))
    await embedder.embed(MODEL, [b"a"], Options(), lambda: None)
    with pytest.raises(InvalidRequest) as caught:
        await embedder.embed(MODEL, [b"a" * 64, b"wrong" * 10**5], Options(), lambda: None)
    assert [b"wrong" * 10**5] in triton.pieces
    assert str(caught.value) == "'input' is wrong (input[1])"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([b"wrong"], "'input' is wrong"),
        ([b"a", b"wrong"], "'input' is wrong (input[1])"),
        ([*[b"long" * 16] * 700, b"wrong", *[b"long" * 16] * 700], "'input' is wrong (input[700])"),
        ([b"long" * 1000] * 299 + [b"wrong"], "'input' is wrong (input[299])"),
    ],
)
async def test_which_of_a_list_is_wrong_is_told(inputs: list[bytes], message: str) -> None:
    triton = Held()
    triton.answering.set()
    with pytest.raises(InvalidRequest) as caught:
        await Embedder(cast(InferenceClient, triton)).embed(MODEL, inputs, Options(), lambda: None)
    assert str(caught.value) == message


async def test_one_text_that_comes_while_lists_are_embedded_is_not_told_as_one_of_a_list() -> None:
    triton = Held()
    embedder = Embedder(cast(InferenceClient, triton))
    long = embedder.embed(MODEL, [b"long" * 16] * 2000, Options(), lambda: None)
    asking = asyncio.create_task(long)
    while not triton.asked:
        await asyncio.sleep(0)
    alone = asyncio.create_task(embedder.embed(MODEL, [b"wrong"], Options(), lambda: None))
    await asyncio.sleep(0)
    triton.answering.set()
    with pytest.raises(InvalidRequest) as caught:
        await alone
    assert str(caught.value) == "'input' is wrong"
    await asking


async def test_nothing_more_is_sent_of_a_list_that_was_refused() -> None:
    triton = Held()
    embedder = Embedder(cast(InferenceClient, triton))
    inputs = [b"wrong", *[b"long" * 16] * 2000]
    asking = asyncio.create_task(embedder.embed(MODEL, inputs, Options(), lambda: None))
    while triton.asked < 2:
        await asyncio.sleep(0)
    triton.answering.set()
    with pytest.raises(InvalidRequest):
        await asking
    assert triton.asked == 2


async def test_after_a_single_text_the_pieces_of_lists_are_small() -> None:
    triton = Held()
    triton.answering.set()
    embedder = Embedder(cast(InferenceClient, triton))
    await embedder.embed(MODEL, [b"a"], Options(), lambda: None)
    answers = await embedder.embed(MODEL, [b"a" * 64] * 1000, Options(), lambda: None)
    assert sum(len(answer.token_counts) for answer in answers) == 1000
    assert len(triton.pieces[1]) < 20
