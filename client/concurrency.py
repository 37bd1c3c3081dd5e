"""The number of requests in flight, adapted to the server.

As in TCP Vegas, the round-trip time shows the queue: of N requests in flight, N × (1 − base ÷ now)
wait, where `base` is the shortest round-trip time per token and `now` that of the last response.
The limit grows by one in each round of responses while fewer than `MIN_QUEUED` wait, and shrinks by
one while more than `MAX_QUEUED` wait. It starts at `MIN_IN_FLIGHT` and doubles in each round until
requests wait for the first time. A response that the server is overloaded halves it (additive
increase, multiplicative decrease), and pauses all requests for its ``Retry-After``, or until one of
those in flight succeeds: it leaves its place, and the server would be idle if they all ended first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic

MIN_IN_FLIGHT = 2
"""Lower bound, and first value: while one response travels, the server works on the other."""

MAX_IN_FLIGHT = 32
"""Upper bound: fewer large requests keep even several GPUs busy."""

MIN_QUEUED, MAX_QUEUED = 1.0, 2.0
"""Bounds of the estimated number of requests that wait at the server: with fewer it may become
idle, and with more each request only takes longer, without more throughput."""

BASE_SECONDS = 300.0
"""Seconds after which the shortest round-trip time is measured again, from `MIN_IN_FLIGHT` on: the
network path may have changed, or more clients may share the server."""


class ConcurrencyLimit:
    """Admits requests, and learns from their round-trip times how many the server can take.

    Args:
        maximum: Upper bound of the limit; at least 1.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, maximum: int = MAX_IN_FLIGHT, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._maximum = maximum
        self._minimum = min(MIN_IN_FLIGHT, maximum)
        self._limit = float(self._minimum)
        self._in_flight = 0
        self._clock = clock
        self._base = float("inf")
        self._base_since = clock()
        self._is_starting = True
        self._reduced_at = float("-inf")
        self._paused_until = float("-inf")
        self._resumed = asyncio.Event()
        self._changed = asyncio.Condition()

    @property
    def limit(self) -> int:
        """Maximum requests in flight now."""
        return int(self._limit)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until another request may be sent, and count it while in the block."""
        async with self._changed:
            try:
                await self._changed.wait_for(lambda: self._in_flight < self.limit)
            except asyncio.CancelledError:
                # Python before 3.13 loses the notification of a canceled task.
                self._notify()
                raise
            self._in_flight += 1
        try:
            await self._pause()
            yield
        finally:
            async with self._changed:
                self._in_flight -= 1
                self._notify()

    def _notify(self) -> None:
        """Wake no more requests than may be sent: a list can have thousands that wait."""
        self._changed.notify(max(self.limit - self._in_flight, 0))

    async def _pause(self) -> None:
        while (remaining := self._paused_until - self._clock()) > 0:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._resumed.wait(), remaining)

    def succeeded(self, started: float, tokens: int) -> None:
        """Learn from a response, and end a pause.

        Args:
            started: Time at which its request was sent.
            tokens: Tokens of the request.
        """
        now = self._clock()
        self._paused_until = now
        self._resumed.set()
        if now - self._base_since > BASE_SECONDS:
            self._base, self._base_since = float("inf"), now
            self._limit, self._is_starting = float(self._minimum), True
        pace = (now - started) / max(tokens, 1)
        self._base = min(self._base, pace)
        if started < self._reduced_at:
            return
        queued = self._limit * (1 - self._base / pace) if pace else 0.0
        # Divided by the limit: one step for each round of responses.
        step = 1.0 if self._is_starting else 1 / self._limit
        if queued < MIN_QUEUED:
            self._limit = min(self._limit + step, self._maximum)
            return
        self._is_starting = False
        if queued > MAX_QUEUED:
            self._limit = max(self._limit - 1 / self._limit, self._minimum)

    def overloaded(self, started: float, retry_after_seconds: float) -> None:
        """Back off: a request was rejected because of too much load, or the server is unavailable.

        Requests that were sent before the last reduction do not reduce the limit again.

        Args:
            started: Time at which the request was sent.
            retry_after_seconds: Seconds during which no request is sent, unless one succeeds.
        """
        now = self._clock()
        self._resumed.clear()
        self._paused_until = max(self._paused_until, now + retry_after_seconds)
        if started >= self._reduced_at:
            self._limit = max(self._limit / 2, float(self._minimum))
            self._reduced_at = now
            self._is_starting = False
