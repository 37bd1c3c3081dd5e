"""Short requests share a request to Triton, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from testing.jobs import ControlledBackend, make_job
from triton_embed.contract.errors import InvalidRequest, Unavailable
from triton_embed.contract.options import Modality, Options, Truncate
from triton_embed.gateway.scheduling.micro_batcher import BatchLimits, MicroBatcher
from triton_embed.gateway.triton.job import EmbedJob, Input

WIDE = BatchLimits(inputs=256, tokens=4096)


async def embed(batcher: MicroBatcher, job: EmbedJob, limits: BatchLimits = WIDE) -> list[float]:
    batch = await batcher.embed(job, limits)
    assert batch.tokens == sum(len(item.data) for item in job.inputs)
    return [float(row[0]) for row in batch.vectors]


async def test_requests_of_one_turn_are_sent_together_and_each_gets_its_own_vectors() -> None:
    backend = ControlledBackend()
    batcher = MicroBatcher(backend)
    results = await asyncio.gather(
        embed(batcher, make_job(b"a")),
        embed(batcher, make_job(b"bb", b"ccc")),
        embed(batcher, make_job(b"")),
    )
    assert list(results) == [[1.0], [2.0, 3.0], [0.0]]
    assert backend.requests == [[b"a", b"bb", b"ccc", b""]]


async def test_request_does_not_wait_for_the_response_to_another() -> None:
    backend = ControlledBackend(is_open=False)
    batcher = MicroBatcher(backend)
    first = asyncio.create_task(embed(batcher, make_job(b"a")))
    await backend.received(1)
    second = asyncio.create_task(embed(batcher, make_job(b"b")))
    await backend.received(2)
    backend.open.set()
    assert list(await asyncio.gather(first, second)) == [[1.0], [1.0]]


async def test_requests_with_other_options_or_traces_are_not_joined() -> None:
    backend = ControlledBackend()
    batcher = MicroBatcher(backend)
    await asyncio.gather(
        embed(batcher, make_job(b"a")),
        embed(batcher, make_job(b"b", options=Options(truncate=Truncate.END))),
        embed(batcher, make_job(b"c", trace=(("traceparent", "two"),))),
    )
    assert backend.requests == [[b"a"], [b"b"], [b"c"]]


async def test_requests_with_images_are_not_joined() -> None:
    backend = ControlledBackend()
    batcher = MicroBatcher(backend)
    image = [Input(Modality.IMAGE, b"file", 1)]
    await asyncio.gather(
        embed(batcher, make_job(b"a")),
        embed(batcher, replace(make_job(b""), inputs=image)),
        embed(batcher, replace(make_job(b""), inputs=image)),
        embed(batcher, make_job(b"b")),
    )
    assert backend.requests == [[b"a", b"b"], [b"file"], [b"file"]]


@pytest.mark.parametrize("limits", [BatchLimits(2, 4096), BatchLimits(256, 2)])
async def test_limits_of_inputs_and_tokens_are_kept(limits: BatchLimits) -> None:
    backend = ControlledBackend()
    batcher = MicroBatcher(backend)
    await asyncio.gather(*(embed(batcher, make_job(item), limits) for item in (b"a", b"b", b"c")))
    assert backend.requests == [[b"a", b"b"], [b"c"]]


async def test_invalid_request_fails_alone() -> None:
    backend = ControlledBackend()
    batcher = MicroBatcher(backend)
    results = await asyncio.gather(
        *(embed(batcher, make_job(item)) for item in (b"a", b"wrong", b"bb")),
        return_exceptions=True,
    )
    assert (results[0], results[2]) == ([1.0], [2.0])
    assert isinstance(results[1], InvalidRequest)
    assert backend.requests[1:] == [[b"a"], [b"wrong"], [b"bb"]]


async def test_all_requests_fail_when_triton_is_down() -> None:
    batcher = MicroBatcher(ControlledBackend())
    results = await asyncio.gather(
        embed(batcher, make_job(b"a")), embed(batcher, make_job(b"down")), return_exceptions=True
    )
    assert all(isinstance(result, Unavailable) for result in results)


async def test_canceled_request_does_not_cancel_its_batch_mates() -> None:
    backend = ControlledBackend(is_open=False)
    batcher = MicroBatcher(backend)
    leaver, stayer = (asyncio.create_task(embed(batcher, make_job(item))) for item in (b"a", b"bb"))
    await backend.received()
    leaver.cancel()
    backend.open.set()
    assert await stayer == [2.0]
    with pytest.raises(asyncio.CancelledError):
        await leaver


async def test_waiting_request_is_released_when_the_process_ends() -> None:
    backend = ControlledBackend(is_open=False)
    result = MicroBatcher(backend).embed(make_job(b"a"), WIDE)
    await backend.received()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await result
