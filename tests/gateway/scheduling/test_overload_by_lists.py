"""Simulated overload by lists: the wait of accepted requests, and the work that is done.

`python -m benchmarks.overload --lists` measures the same with a real server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from testing.jobs import MODEL, make_job
from testing.virtual_time import VirtualTimeLoop
from triton_embed.contract.errors import Unavailable
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.scheduler import Scheduler
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob

TARGET_SECONDS = 1.0

EXECUTION_SECONDS = 0.003
"""Cost of an execution besides its tokens."""

LIST_TEXTS, TEXT_TOKENS = 64, 160

CLIENTS, PAUSE_SECONDS, OVERLOAD_SECONDS = 150, 0.5, 25.0

LARGE_MODEL = replace(MODEL, spec=replace(MODEL.spec, max_tokens=256))


class SerialBackend:
    """Embeds one job after the other in virtual time; a token per byte."""

    def __init__(self, tokens_per_second: float, loop: VirtualTimeLoop) -> None:
        self._rate = tokens_per_second
        self._loop = loop
        self._free_at = 0.0

    async def embed(self, job: EmbedJob) -> EmbeddingBatch:
        counts = np.array([len(item.data) for item in job.inputs], np.int32)
        duration = EXECUTION_SECONDS + counts.sum() / self._rate
        self._free_at = max(self._free_at, self._loop.time()) + duration
        await asyncio.sleep(self._free_at - self._loop.time())
        return EmbeddingBatch(counts[:, None].astype(np.float32), counts)


@dataclass
class Simulation:
    """A scheduler in virtual time.

    Attributes:
        loop: Its event loop.
        scheduler: The scheduler.
    """

    loop: VirtualTimeLoop
    scheduler: Scheduler

    async def send(self, texts: int) -> float | None:
        """Embed a list; return the seconds until the response, ``None`` if it was rejected."""
        start = self.loop.time()
        try:
            await self.scheduler.embed(make_job(*[b"x" * TEXT_TOKENS] * texts, model=LARGE_MODEL))
        except Unavailable:
            return None
        return self.loop.time() - start

    async def closed_loop(self, clients: int, seconds: float) -> tuple[list[float], float]:
        """Return the waits of accepted lists, and tokens per second."""
        start = self.loop.time()
        waits: list[float] = []
        end = start

        async def work() -> None:
            nonlocal end
            while self.loop.time() < start + seconds:
                wait = await self.send(LIST_TEXTS)
                if wait is None:
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    waits.append(wait)
                    end = self.loop.time()

        await asyncio.gather(*(work() for _ in range(clients)))
        return waits, len(waits) * LIST_TEXTS * TEXT_TOKENS / (end - start)


Simulate = Callable[[float, Callable[[Simulation], Awaitable[None]]], None]


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Run a test with a simulated model; the first argument is its rate in tokens per second."""
    loop = VirtualTimeLoop()

    def run(rate: float, test: Callable[[Simulation], Awaitable[None]]) -> None:
        async def main() -> None:
            admission = AdmissionController(1024, TARGET_SECONDS, clock=loop.time)
            scheduler = Scheduler(SerialBackend(rate, loop), admission, clock=loop.time)
            await test(Simulation(loop, scheduler))

        loop.run_until_complete(main())

    yield run
    loop.close()


@pytest.mark.parametrize("rate", [1000.0, 30_000.0, 300_000.0])
def test_accepted_lists_wait_at_most_the_target_and_three_times_alone(
    simulate: Simulate, rate: float
) -> None:
    async def overload(simulation: Simulation) -> None:
        await simulation.send(LIST_TEXTS)
        alone = await simulation.send(LIST_TEXTS)
        assert alone
        _, capacity = await simulation.closed_loop(clients=2, seconds=10)
        waits, used = await simulation.closed_loop(CLIENTS, OVERLOAD_SECONDS)
        assert np.percentile(waits, 99) <= TARGET_SECONDS + 3 * alone
        assert used >= 0.9 * capacity

    simulate(rate, overload)


def test_single_texts_are_accepted_during_an_overload_by_lists(simulate: Simulate) -> None:
    async def overload(simulation: Simulation) -> None:
        lists = asyncio.ensure_future(simulation.closed_loop(CLIENTS, OVERLOAD_SECONDS))
        waits = []
        while not lists.done():
            waits.append(await simulation.send(1))
            await asyncio.sleep(0.2)
        # The first chunks are large: there was no single text before.
        accepted = [wait for wait in waits[10:] if wait is not None]
        assert len(accepted) == len(waits[10:])
        assert np.percentile(accepted, 99) < 0.2

    simulate(30_000.0, overload)
