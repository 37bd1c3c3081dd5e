"""Short requests share a request to Triton, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from triton_embed.contract.errors import ApiError, InvalidRequest, Unavailable
from triton_embed.contract.options import Options, Truncate
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.scheduling.micro_batcher import MicroBatcher
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.client import InferenceClient
from triton_embed.gateway.triton.model import ServedModel

MODEL = ServedModel(ModelSpec("m", max_tokens=8, vocab_size=9, dimension=1), "m", "m_direct", 256)

ROOMY = (256, 4096)


class Recorder:
    """Stands in for Triton: notes what it is asked, and answers each input with its length."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        self.traced = "one"
        self.answering = asyncio.Event()
        self.answering.set()

    def trace(self) -> tuple[tuple[str, str], ...]:
        return (("traceparent", self.traced),)

    async def embed(self, _: ServedModel, inputs: Sequence[bytes], *__: Any) -> EmbeddingBatch:
        self.asked.append(list(inputs))
        await self.answering.wait()
        if b"wrong" in inputs:
            raise InvalidRequest("'input' is wrong", param="input")
        if b"down" in inputs:
            raise Unavailable("Triton is down")
        lengths = np.array([len(item) for item in inputs], np.int32)
        return EmbeddingBatch(lengths[:, None].astype(np.float32), lengths)


def make(recorder: Recorder) -> MicroBatcher:
    return MicroBatcher(cast(InferenceClient, recorder))


async def ask(
    joiner: MicroBatcher,
    *inputs: bytes,
    options: Options = Options(),  # noqa: B008
    most: tuple[int, int] = ROOMY,
) -> list[float]:
    embedded = await joiner.embed(MODEL, inputs, options, sum(map(len, inputs)), most)
    assert embedded.tokens == sum(map(len, inputs))
    return [float(row[0]) for row in embedded.vectors]


async def test_what_comes_at_once_is_sent_together_and_each_gets_its_own() -> None:
    recorder = Recorder()
    joiner = make(recorder)
    answers = await asyncio.gather(ask(joiner, b"a"), ask(joiner, b"bb", b"ccc"), ask(joiner, b""))
    assert list(answers) == [[1.0], [2.0, 3.0], [0.0]]
    assert recorder.asked == [[b"a", b"bb", b"ccc", b""]]


async def test_nobody_waits_for_an_answer_to_another() -> None:
    recorder = Recorder()
    joiner = make(recorder)
    recorder.answering.clear()
    first = asyncio.create_task(ask(joiner, b"a"))
    while not recorder.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(ask(joiner, b"b"))
    while len(recorder.asked) < 2:
        await asyncio.sleep(0)
    recorder.answering.set()
    assert list(await asyncio.gather(first, second)) == [[1.0], [1.0]]


async def test_other_options_and_other_traces_are_not_joined() -> None:
    recorder = Recorder()
    joiner = make(recorder)
    first = asyncio.create_task(ask(joiner, b"a"))
    second = asyncio.create_task(ask(joiner, b"b", options=Options(truncate=Truncate.END)))
    await asyncio.sleep(0)
    recorder.traced = "two"
    await asyncio.gather(first, second, ask(joiner, b"c"))
    assert recorder.asked == [[b"a"], [b"b"], [b"c"]]


@pytest.mark.parametrize("most", [(2, 4096), (256, 2)])
async def test_limits_of_inputs_and_bytes_are_kept(most: tuple[int, int]) -> None:
    recorder = Recorder()
    joiner = make(recorder)
    await asyncio.gather(*(ask(joiner, item, most=most) for item in (b"a", b"b", b"c")))
    assert recorder.asked == [[b"a", b"b"], [b"c"]]


async def test_a_wrong_request_fails_alone() -> None:
    recorder = Recorder()
    joiner = make(recorder)
    results = await asyncio.gather(
        ask(joiner, b"a"), ask(joiner, b"wrong"), ask(joiner, b"bb"), return_exceptions=True
    )
    assert (results[0], results[2]) == ([1.0], [2.0])
    assert isinstance(results[1], InvalidRequest)
    assert recorder.asked[1:] == [[b"a"], [b"wrong"], [b"bb"]]


async def test_everybody_is_told_when_triton_is_down() -> None:
    joiner = make(Recorder())
    results = await asyncio.gather(ask(joiner, b"a"), ask(joiner, b"down"), return_exceptions=True)
    assert all(isinstance(result, ApiError) for result in results)


async def test_one_who_leaves_takes_nobody_along() -> None:
    recorder = Recorder()
    joiner = make(recorder)
    recorder.answering.clear()
    leaver, stayer = (asyncio.create_task(ask(joiner, item)) for item in (b"a", b"bb"))
    while not recorder.asked:
        await asyncio.sleep(0)
    leaver.cancel()
    recorder.answering.set()
    assert await stayer == [2.0]
    with pytest.raises(asyncio.CancelledError):
        await leaver


async def test_who_waits_is_released_when_the_process_ends() -> None:
    recorder = Recorder()
    recorder.answering.clear()
    joiner = make(recorder)
    answer = joiner.embed(MODEL, [b"a"], Options(), 1, ROOMY)
    while not recorder.asked:
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
