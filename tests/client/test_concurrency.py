from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from triton_embed.client.concurrency import BASE_SECONDS, ConcurrencyLimit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def responses(limit: ConcurrencyLimit, clock: Clock, seconds: float, count: int = 200) -> None:
    """Record responses that each took `seconds` for 100 tokens."""
    for _ in range(count):
        clock.now += seconds
        limit.succeeded(clock.now - seconds, 100)


def saturated(limit: ConcurrencyLimit, clock: Clock, count: int = 10_000) -> None:
    """Record responses of a server that is busy with two requests, so that others wait."""
    for _ in range(count):
        seconds = max(limit.limit, 2) / 20
        clock.now += seconds
        limit.succeeded(clock.now - seconds, 100)


def test_limit_grows_to_its_maximum_while_latency_holds() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(8, clock=clock)
    assert limit.limit == 2
    responses(limit, clock, 1.0)
    assert limit.limit == 8


def test_limit_stops_growing_once_requests_wait() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(32, clock=clock)
    saturated(limit, clock)
    assert 3 <= limit.limit <= 5


def test_limit_shrinks_if_latency_rises() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(32, clock=clock)
    responses(limit, clock, 0.1)
    assert limit.limit > 8
    responses(limit, clock, 0.3, 800)
    assert 2 <= limit.limit <= 4


def test_base_latency_is_measured_again_after_some_minutes() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(32, clock=clock)
    responses(limit, clock, 0.1, 10)
    clock.now += BASE_SECONDS
    responses(limit, clock, 1.0, 1)
    assert limit.limit == 3
    responses(limit, clock, 1.0, 100)
    assert limit.limit == 32


def test_overload_halves_the_limit_once_for_all_requests_in_flight() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(32, clock=clock)
    responses(limit, clock, 0.1, 1000)
    before, sent = limit.limit, clock.now
    clock.now += 1.0
    for _ in range(5):
        limit.overloaded(sent, 0.0)
    assert limit.limit == before // 2


def test_limit_is_never_below_two() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(32, clock=clock)
    for _ in range(5):
        clock.now += 1.0
        limit.overloaded(clock.now, 0.0)
    assert limit.limit == 2


async def test_slot_is_given_once_another_is_returned() -> None:
    limit = ConcurrencyLimit(1)
    entered = asyncio.Event()

    async def second() -> None:
        async with limit.slot():
            entered.set()

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(limit.slot())
        task = asyncio.ensure_future(second())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not entered.is_set()
    await task
    assert entered.is_set()


async def test_overload_pauses_all_requests() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(clock=clock)
    limit.overloaded(0.0, 0.01)

    async def send() -> None:
        async with limit.slot():
            assert clock.now >= 0.01

    task = asyncio.ensure_future(send())
    await asyncio.sleep(0)
    clock.now = 0.01
    await task


async def test_success_of_a_request_in_flight_ends_a_pause() -> None:
    clock = Clock()
    limit = ConcurrencyLimit(clock=clock)
    limit.overloaded(0.0, 3600.0)

    async def send() -> None:
        async with limit.slot():
            pass

    task = asyncio.ensure_future(send())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    limit.succeeded(0.0, 100)
    await task


class CountingLimit(ConcurrencyLimit):
    wakes = 0

    @property
    def limit(self) -> int:
        self.wakes += 1
        return super().limit


async def test_returned_slot_wakes_only_requests_that_may_be_sent() -> None:
    limit, count = CountingLimit(1), 100

    async def send() -> None:
        async with limit.slot():
            await asyncio.sleep(0)

    await asyncio.gather(*(send() for _ in range(count)))
    assert limit.wakes <= 5 * count


async def test_slot_is_given_although_the_first_that_waits_is_canceled() -> None:
    limit = ConcurrencyLimit(1)

    async def send() -> None:
        async with limit.slot():
            pass

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(limit.slot())
        first, second = (asyncio.ensure_future(send()) for _ in range(2))
        for _ in range(10):
            await asyncio.sleep(0)
    # The first task is notified, and has not run yet.
    first.cancel()
    await second
    assert first.cancelled() or first.done()
