"""Bulk requests share Triton with each other and leave room for interactive requests."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from testing.jobs import MODEL, make_input
from triton_embed.contract.options import Modality, Options
from triton_embed.gateway.scheduling.send_window import (
    BULK_CHUNK_FACTOR,
    FIRST_TOKENS,
    INTERACTIVE_HOLD_SECONDS,
    MAX_INTERACTIVE_LIMITS,
    ROUND_TRIP_SECONDS,
    SendWindow,
)
from triton_embed.gateway.triton.job import EmbedJob, Input

TOKENS = 20
CHUNK = FIRST_TOKENS // 2 // TOKENS


def job_of(*tokens: int, max_batch_size: int = 1000) -> EmbedJob:
    model = replace(MODEL, max_batch_size=max_batch_size)
    return EmbedJob(model, [make_input(b"text", cost) for cost in tokens], Options())


JOB = job_of(*[TOKENS] * 1000)


def make_window() -> SendWindow:
    """Return a window that expects interactive requests."""
    window = SendWindow()
    window.note_interactive_request()
    return window


async def acquire(window: SendWindow, due: float = 0.0, start: int = 0) -> asyncio.Task[int]:
    """Request a turn, and let the window decide."""
    task = asyncio.create_task(window.acquire(JOB, start, due))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_chunk_is_half_the_window_and_two_are_in_flight() -> None:
    window = make_window()
    first = await window.acquire(JOB, 0, 0.0)
    second = await acquire(window, start=first)
    third = await acquire(window, start=2 * first)
    assert (first, second.result()) == (CHUNK, 2 * CHUNK)
    assert not third.done()
    window.release(TOKENS * CHUNK, ROUND_TRIP_SECONDS)
    assert await third == 3 * CHUNK


async def test_chunk_with_the_earliest_due_time_is_sent_first() -> None:
    window = make_window()
    full = [await acquire(window) for _ in range(2)]
    assert all(task.done() for task in full)
    late, early = await acquire(window, due=2.0), await acquire(window, due=1.0)
    window.release(TOKENS * CHUNK, ROUND_TRIP_SECONDS)
    await early
    assert not late.done()
    window.release(TOKENS * CHUNK, ROUND_TRIP_SECONDS)
    await late


async def test_request_keeps_its_turn_if_there_is_room_for_another_of_its_chunks() -> None:
    window = make_window()
    sent: list[str] = []

    async def send(name: str, due: float) -> None:
        for _ in range(2):
            await window.acquire(JOB, 0, due)
            sent.append(name)

    await asyncio.gather(*[acquire(window) for _ in range(2)])
    waiting = [asyncio.create_task(send(name, due)) for due, name in enumerate(["old", "new"])]
    await asyncio.sleep(0)
    for _ in range(2):
        window.release(TOKENS * CHUNK, ROUND_TRIP_SECONDS)
    for _ in range(10):
        await asyncio.sleep(0)
    assert sent == ["old", "old"]
    for _ in range(2):
        window.release(TOKENS * CHUNK, ROUND_TRIP_SECONDS)
    await asyncio.gather(*waiting)


async def test_canceled_turn_does_not_delay_other_turns() -> None:
    window = make_window()
    for _ in range(2):
        await window.acquire(JOB, 0, 0.0)
    waiting, called, last = [await acquire(window, due=float(due)) for due in range(3)]
    waiting.cancel()
    window.release(TOKENS * CHUNK, ROUND_TRIP_SECONDS)
    called.cancel()
    await last
    assert waiting.cancelled() and called.cancelled()


async def test_chunks_grow_while_others_wait_and_they_return_early() -> None:
    window = make_window()
    in_flight = [await window.acquire(JOB, 0, 0.0) for _ in range(2)]
    for _ in range(10):
        waiting = await acquire(window)
        before = window.chunk_tokens
        window.release(TOKENS * in_flight.pop(0), ROUND_TRIP_SECONDS / 10)
        assert window.chunk_tokens > before
        in_flight.append(await waiting)


async def test_chunks_do_not_grow_while_none_waits_and_shrink_while_they_are_late() -> None:
    window = make_window()
    before = window.chunk_tokens
    stop = await window.acquire(JOB, 0, 0.0)
    window.release(TOKENS * stop, ROUND_TRIP_SECONDS / 10)
    assert window.chunk_tokens == before
    for _ in range(5):
        before = window.chunk_tokens
        stop = await window.acquire(JOB, 0, 0.0)
        window.release(TOKENS * stop, ROUND_TRIP_SECONDS * 10)
        assert window.chunk_tokens < before


async def test_failed_chunk_makes_room_and_does_not_change_the_window() -> None:
    window = make_window()
    before = window.chunk_tokens
    for _ in range(2):
        await window.acquire(JOB, 0, 0.0)
    waiting = await acquire(window)
    window.release(TOKENS * CHUNK, None)
    assert await waiting == CHUNK
    assert window.chunk_tokens == before


async def test_text_larger_than_the_window_is_a_chunk_alone() -> None:
    assert await make_window().acquire(job_of(10**6, 1), 0, 0.0) == 1


async def test_chunk_has_at_most_the_inputs_that_triton_accepts() -> None:
    assert await make_window().acquire(job_of(*[1] * 100, max_batch_size=7), 3, 0.0) == 10


async def test_chunks_without_interactive_requests_are_larger() -> None:
    now = 0.0
    window = SendWindow(clock=lambda: now)
    large = window.chunk_tokens
    window.note_interactive_request()
    assert window.chunk_tokens == large / BULK_CHUNK_FACTOR
    now = INTERACTIVE_HOLD_SECONDS + 1
    assert window.chunk_tokens == large


async def test_request_larger_than_a_small_chunk_does_not_fit() -> None:
    assert not SendWindow().fits(job_of(FIRST_TOKENS // 2, FIRST_TOKENS // 2))
    assert not SendWindow().fits(job_of(1, 1, 1, max_batch_size=2))
    assert SendWindow().fits(job_of(50, 50))


async def test_single_image_fits_whatever_its_size() -> None:
    image = Input(Modality.IMAGE, b"file", MAX_INTERACTIVE_LIMITS * JOB.token_limit + 1)
    assert SendWindow().fits(EmbedJob(MODEL, [image], Options()))
    assert not SendWindow().fits(EmbedJob(MODEL, [image] * 100, Options()))


async def test_single_text_fits_unless_most_of_it_is_cut_off() -> None:
    limit = MODEL.spec.max_tokens
    assert SendWindow().fits(job_of(MAX_INTERACTIVE_LIMITS * limit))
    assert not SendWindow().fits(job_of(MAX_INTERACTIVE_LIMITS * limit + 1))


async def test_large_chunk_may_take_proportionally_longer() -> None:
    window = SendWindow()
    before = window.chunk_tokens
    stop = await window.acquire(JOB, 0, 0.0)
    window.release(TOKENS * stop, ROUND_TRIP_SECONDS * BULK_CHUNK_FACTOR)
    assert window.chunk_tokens == before
