"""Turns of requests with large bodies, between which the event loop serves the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter

PAUSE_FACTOR = 4.0
"""Pause after a large body was parsed, in durations of the parsing. A short request needs several
iterations of the event loop, and with this pause at most one in five begins with a large body. A
body of 2 MB takes 12 ms: one worker then parses 30 MB a second, more than it can embed."""


class LargeBodies:
    """Turns in which requests parse their large bodies, one after the other.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; the next turn begins `PAUSE_FACTOR` times its duration after its end."""
        await self._lock.acquire()
        started = self._clock()
        try:
            yield
        finally:
            pause = PAUSE_FACTOR * (self._clock() - started)
            asyncio.get_running_loop().call_later(pause, self._lock.release)
