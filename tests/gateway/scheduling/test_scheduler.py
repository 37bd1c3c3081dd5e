"""Requests of any length: order, positions of invalid inputs, disconnected clients."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from testing.jobs import ControlledBackend, make_job
from triton_embed.contract.errors import InvalidRequest, Unavailable
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.cost import FIRST_BYTES_PER_TOKEN
from triton_embed.gateway.scheduling.model_queue import MIN_LARGE_REQUESTS
from triton_embed.gateway.scheduling.scheduler import Scheduler

BULK = [b"long" * 4] * 700


def make_scheduler(backend: ControlledBackend, max_inputs: int = 1024) -> Scheduler:
    return Scheduler(backend, AdmissionController(max_inputs, max_queue_seconds=60.0))


async def test_vectors_of_a_bulk_request_are_in_order() -> None:
    backend = ControlledBackend()
    texts = [b"x" * (1 + index % 100) for index in range(1000)]
    batches = await make_scheduler(backend).embed(make_job(*texts))
    assert len(backend.requests) > 1
    lengths = [int(row[0]) for batch in batches for row in batch.vectors]
    assert lengths == [len(text) for text in texts]


async def test_estimates_follow_the_responses() -> None:
    scheduler = make_scheduler(ControlledBackend())
    await scheduler.embed(make_job(*[b"short"] * 1000))
    assert scheduler.estimator("m").bytes_per_token < FIRST_BYTES_PER_TOKEN


@pytest.mark.parametrize("texts", [[b"a"], BULK])
async def test_request_beyond_the_limit_of_inputs_is_rejected(texts: list[bytes]) -> None:
    backend = ControlledBackend(is_open=False)
    scheduler = make_scheduler(backend, max_inputs=1)
    first = asyncio.create_task(scheduler.embed(make_job(*texts)))
    await backend.received()
    with pytest.raises(Unavailable):
        await scheduler.embed(make_job(*texts))
    backend.open.set()
    await first
    await scheduler.embed(make_job(*texts))


async def test_inputs_wait_until_they_are_sent_and_are_in_flight_until_they_return() -> None:
    backend = ControlledBackend(is_open=False)
    reports: list[tuple[int, int]] = []
    admission = AdmissionController(
        1024, max_queue_seconds=60.0, report=lambda *counts: reports.append(counts)
    )
    bulk = asyncio.create_task(Scheduler(backend, admission).embed(make_job(*BULK)))
    await backend.received(2)
    # A bulk request counts as at most 192 inputs.
    assert reports[0] == (192, 192)
    assert reports[-1] == (192, min(192, len(BULK) - sum(map(len, backend.requests))))
    backend.open.set()
    await bulk
    assert all(waiting <= in_flight for in_flight, waiting in reports)
    assert (192, 0) in reports
    assert reports[-1] == (0, 0)


async def test_inputs_of_a_failed_request_are_no_longer_counted() -> None:
    reports: list[tuple[int, int]] = []
    admission = AdmissionController(
        1024, max_queue_seconds=60.0, report=lambda *counts: reports.append(counts)
    )
    with pytest.raises(InvalidRequest):
        await Scheduler(ControlledBackend(), admission).embed(make_job(b"wrong", *BULK))
    assert reports[-1] == (0, 0)


@pytest.mark.parametrize("texts", [[b"a"], BULK])
async def test_queue_time_and_inference_are_observed(texts: list[bytes]) -> None:
    observed: list[tuple[str, float, float]] = []
    admission = AdmissionController(1024, max_queue_seconds=60.0)
    scheduler = Scheduler(ControlledBackend(), admission, lambda *times: observed.append(times))
    await scheduler.embed(make_job(*texts))
    ((model_id, queue, inference),) = observed
    assert model_id == "m"
    assert queue >= 0 and inference > 0


@pytest.mark.parametrize("texts", [[b"down"] * 60, [b"down"] * 3000])
async def test_failed_requests_do_not_change_the_estimated_capacity(texts: list[bytes]) -> None:
    admission = AdmissionController(10**4, max_queue_seconds=1.0, clock=lambda: 0.0)
    scheduler = Scheduler(ControlledBackend(), admission)
    large = make_job(*BULK, *BULK)
    with ExitStack() as admitted:
        admitted.enter_context(admission.admit(large, bulk=True))
        for _ in range(100):
            with pytest.raises(Unavailable, match="Triton is down"):
                await scheduler.embed(make_job(*texts))
        for _ in range(MIN_LARGE_REQUESTS - 1):
            admitted.enter_context(admission.admit(large, bulk=True))
        with pytest.raises(Unavailable, match="try again later"):
            admitted.enter_context(admission.admit(large, bulk=True))


@pytest.mark.parametrize("texts", [[b"a"], BULK])
async def test_disconnected_client_keeps_its_place_until_sent_work_is_done(
    texts: list[bytes],
) -> None:
    backend = ControlledBackend(is_open=False)
    scheduler = make_scheduler(backend, max_inputs=1)
    leaving = asyncio.create_task(scheduler.embed(make_job(*texts)))
    await backend.received()
    leaving.cancel()
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await scheduler.embed(make_job(b"b"))
    backend.open.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    sent = len(backend.requests)
    await scheduler.embed(make_job(b"b"))
    assert len(backend.requests) == sent + 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([b"wrong"], "'input' is wrong"),
        ([b"wrong" * 100], "'input' is wrong"),
        ([b"a", b"wrong"], "'input' is wrong (input[1])"),
        ([*BULK, b"wrong", *BULK], "'input' is wrong (input[700])"),
        ([b"long" * 1000] * 299 + [b"wrong"], "'input' is wrong (input[299])"),
        ([b"a" * 64, b"wrong" * 10**5], "'input' is wrong (input[1])"),
    ],
)
async def test_invalid_input_is_named_by_its_position(texts: list[bytes], message: str) -> None:
    scheduler = make_scheduler(ControlledBackend())
    with pytest.raises(InvalidRequest) as caught:
        await scheduler.embed(make_job(*texts))
    assert str(caught.value) == message


async def test_invalid_text_during_a_bulk_request_has_no_position() -> None:
    backend = ControlledBackend(is_open=False)
    scheduler = make_scheduler(backend)
    bulk = asyncio.create_task(scheduler.embed(make_job(*BULK)))
    await backend.received()
    alone = asyncio.create_task(scheduler.embed(make_job(b"wrong")))
    await asyncio.sleep(0)
    backend.open.set()
    with pytest.raises(InvalidRequest) as caught:
        await alone
    assert str(caught.value) == "'input' is wrong"
    await bulk


async def test_unsent_chunks_of_a_rejected_request_are_dropped() -> None:
    backend = ControlledBackend(is_open=False)
    scheduler = make_scheduler(backend)
    bulk = asyncio.create_task(scheduler.embed(make_job(b"wrong", *[b"long" * 16] * 2000)))
    await backend.received(2)
    backend.open.set()
    with pytest.raises(InvalidRequest):
        await bulk
    assert len(backend.requests) == 2


async def test_chunks_after_a_single_text_are_small() -> None:
    backend = ControlledBackend()
    scheduler = make_scheduler(backend)
    await scheduler.embed(make_job(b"a"))
    batches = await scheduler.embed(make_job(*[b"a" * 16] * 1000))
    assert sum(len(batch.token_counts) for batch in batches) == 1000
    assert len(backend.requests[1]) < 20
