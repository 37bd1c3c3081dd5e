"""Large requests that wait for a place: order, deadline and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack

import pytest

from testing.jobs import MODEL, make_input
from testing.virtual_time import VirtualTimeLoop
from triton_embed.contract.errors import Unavailable
from triton_embed.contract.options import Options
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.deferred_rejections import (
    MAX_DEFERRAL_SECONDS,
    REJECTION_DELAY_SECONDS,
    DeferredRejections,
)
from triton_embed.gateway.scheduling.model_queue import MAX_SMALL_TOKENS, MIN_LARGE_REQUESTS
from triton_embed.gateway.triton.job import EmbedJob

LARGE = EmbedJob(MODEL, [make_input(b"text", MAX_SMALL_TOKENS)] * 2, Options())

SMALL = EmbedJob(MODEL, [make_input(b"text", 1)], Options())


class FullServer:
    """A server whose places for large requests are taken.

    Attributes:
        places: The admission under test.
        holder: Has one of the places; closing it makes the place free.
        admitted: Names of the requests that were admitted later, in order.
    """

    def __init__(self) -> None:
        admission = AdmissionController(1024, 1e-9, clock=lambda: 0.0)
        self.places = DeferredRejections(admission)
        self.holder, self._others = AsyncExitStack(), AsyncExitStack()
        self.admitted: list[str] = []

    async def fill(self) -> None:
        """Take the places."""
        for _ in range(MIN_LARGE_REQUESTS - 1):
            await self._others.enter_async_context(self.places.admit(LARGE, bulk=True))
        await self.holder.enter_async_context(self.places.admit(LARGE, bulk=True))

    async def request(self, name: str, job: EmbedJob = LARGE) -> None:
        """Request a place and leave it at once.

        Raises:
            Unavailable: the request is rejected.
        """
        async with self.places.admit(job, bulk=True):
            self.admitted.append(name)

    async def start(self, *names: str) -> list[asyncio.Task[None]]:
        """Start one waiting request after the other."""
        tasks = [asyncio.create_task(self.request(name)) for name in names]
        await asyncio.sleep(0)
        return tasks


Run = Callable[[Callable[[FullServer], Coroutine[None, None, None]]], None]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a test in virtual time."""
    loop = VirtualTimeLoop()

    def run_test(test: Callable[[FullServer], Coroutine[None, None, None]]) -> None:
        async def main() -> None:
            server = FullServer()
            await server.fill()
            await test(server)

        loop.run_until_complete(main())

    yield run_test
    loop.close()


def test_free_place_goes_to_the_newest_request(run: Run) -> None:
    async def test(server: FullServer) -> None:
        waiting = await server.start("old", "new")
        await server.holder.aclose()
        await asyncio.gather(*waiting)
        assert server.admitted == ["new", "old"]

    run(test)


def test_large_request_without_a_place_is_rejected_after_a_delay(run: Run) -> None:
    async def test(server: FullServer) -> None:
        (waiting,) = await server.start("late")
        with pytest.raises(Unavailable, match="try again later"):
            await waiting
        waited = asyncio.get_running_loop().time()
        assert waited == MAX_DEFERRAL_SECONDS + REJECTION_DELAY_SECONDS

    run(test)


def test_small_request_is_rejected_at_once(run: Run) -> None:
    async def test(_: FullServer) -> None:
        places = DeferredRejections(AdmissionController(1, 1.0, clock=lambda: 0.0))
        async with places.admit(SMALL, bulk=False):
            with pytest.raises(Unavailable):
                async with places.admit(SMALL, bulk=False):
                    pass
        assert asyncio.get_running_loop().time() == 0

    run(test)


@pytest.mark.parametrize("is_woken", [False, True])
def test_canceled_request_leaves_its_place_to_the_next(run: Run, is_woken: bool) -> None:
    async def test(server: FullServer) -> None:
        waiting, canceled = await server.start("next", "canceled")
        if is_woken:
            await server.holder.aclose()
        canceled.cancel()
        await asyncio.wait([canceled])
        await server.holder.aclose()
        await waiting
        assert server.admitted == ["next"]

    run(test)
