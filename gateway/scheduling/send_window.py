"""Lets long lists into Triton piece by piece, so that they delay nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from time import perf_counter

ROUND_TRIP_SECONDS = 0.05
"""How long a piece of a long list may be at Triton while there are single texts, too: one that
comes meanwhile waits about as long."""

CALM_FACTOR = 16
"""Pieces are so much larger while there are none. The encoder groups texts of similar length, and
few of them have less in common."""

CALM_AFTER_SECONDS = 10.0
"""For so long a single text makes others expected; short lists come among long ones anyway."""

FIRST_BYTES, MIN_BYTES, MAX_BYTES = 2048, 512, 1 << 20


class SendWindow:
    """Shares out how many bytes of long lists are at one model of Triton at a time.

    A piece is half the window: one is being embedded while the next is on its way. The window
    grows while pieces return sooner than `ROUND_TRIP_SECONDS` and others wait, and shrinks while
    they return later. Must be made inside a running event loop.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._bytes = float(FIRST_BYTES)
        self._calm_from = clock()
        self._at_triton = 0
        self._line: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._called: asyncio.Future[None] | None = None

    @property
    def piece_bytes(self) -> int:
        """Size of the next piece."""
        return int(self._bytes * self._factor() / 2)

    def expect_singles(self) -> None:
        """Keep pieces small for a while: there has been a single text."""
        self._calm_from = self._clock() + CALM_AFTER_SECONDS

    def passes(self, sizes: Sequence[int], most: int) -> bool:
        """Return whether a list is so short that it need not wait for a turn.

        Args:
            sizes: Bytes of each input. A single one passes: it could not be cut in pieces.
            most: Most inputs of a piece.
        """
        return len(sizes) == 1 or (len(sizes) <= most and sum(sizes) <= self._bytes / 2)

    def _factor(self) -> int:
        return CALM_FACTOR if self._clock() >= self._calm_from else 1

    async def enter(self, sizes: Sequence[int], start: int, most: int, due: float) -> int:
        """Wait for a turn, then enter with the inputs that make up one piece.

        Args:
            sizes: Bytes of each input of the list.
            start: The first input of the piece.
            most: Most inputs of a piece.
            due: Pieces enter in this order.

        Returns:
            Where the piece ends. `leave` must be called when it has been embedded.
        """
        turn = asyncio.get_running_loop().create_future()
        heappush(self._line, (due, next(self._numbers), turn))
        self._call_next()
        try:
            await turn
            stop, size = start + 1, sizes[start]
            while stop < min(len(sizes), start + most) and size + sizes[stop] <= self.piece_bytes:
                size += sizes[stop]
                stop += 1
            self._at_triton += size
            return stop
        finally:
            if self._called is turn:
                self._called = None
                self._call_next()

    def leave(self, size: int, seconds: float | None) -> None:
        """Make room: a piece of `size` bytes came back after `seconds`; ``None`` if it failed."""
        self._at_triton -= size
        if seconds is not None:
            wanted = ROUND_TRIP_SECONDS * self._factor()
            # If nobody waits it is not the window that keeps pieces small.
            self._bytes *= min(max(wanted / seconds, 0.8), 1.25 if self._line else 1.0)
            self._bytes = min(max(self._bytes, MIN_BYTES), MAX_BYTES)
        self._call_next()

    def _call_next(self) -> None:
        """Call the first in line if there is room and nobody else has just been called."""
        while self._line and self._called is None and self._at_triton <= self.piece_bytes:
            turn = heappop(self._line)[-1]
            if not turn.cancelled():
                self._called = turn
                turn.set_result(None)
