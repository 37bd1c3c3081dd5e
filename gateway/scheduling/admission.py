"""Refuses work that would wait too long.

Triton's own queue limits cost random stalls of half a second, so the limit stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, exp
from time import perf_counter

from triton_embed.contract.errors import Unavailable

LIST_INPUTS = 256
"""A longer list counts as so many inputs, or as a part of the limit if that is less: the rest of it
waits outside Triton."""

LIST_PART = 4
"""So many long lists fill the limit, however low it is."""

MAX_RETRY_SECONDS = 60
"""While nothing is answered the estimated wait grows beyond all bounds."""

FEW = 16
"""So many newcomers are never too many, however slow the model is."""

BURST_SECONDS = 5.0
"""How long newcomers may wait too long before it counts as overload rather than a burst."""

MEMORY_SECONDS = 5.0
"""Time over which the rate of first answers is averaged, while there are newcomers."""


class AdmissionController:
    """Counts what is being embedded, and estimates how long a newcomer waits.

    A newcomer is a request of which nothing has been embedded yet. Long lists take turns, so it is
    their first piece that tells how busy the server is, not their last.

    A burst is taken up to `limit`. When newcomers have had to wait longer than `wait_seconds` for
    `BURST_SECONDS` on end, more are refused until the wait is shorter again.

    Args:
        limit: Most inputs at a time.
        wait_seconds: Longest acceptable wait for the first answer.
        clock: Returns seconds.
    """

    def __init__(
        self, limit: int, wait_seconds: float, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._clock = clock
        self.in_flight = 0
        self._newcomers = 0
        self._answered = 0.0
        self._busy = 0.0
        self._at = clock()
        self._waiting_since: float | None = None

    @contextmanager
    def admit(self, inputs: int) -> Iterator[Callable[[], None]]:
        """Hold a place for `inputs` inputs.

        Returns:
            What to call when Triton has answered a part of them, the first and any later time.

        Raises:
            Unavailable: there is no room.
        """
        self._tick()
        inputs = min(inputs, LIST_INPUTS, ceil(self._limit / LIST_PART))
        self._check(inputs)
        self.in_flight += inputs
        self._newcomers += 1
        is_newcomer = True

        def on_answer() -> None:
            nonlocal is_newcomer
            if is_newcomer:
                is_newcomer = False
                self._tick()
                self._newcomers -= 1
                self._answered += 1

        try:
            yield on_answer
        finally:
            self.in_flight -= inputs
            if is_newcomer:
                self._tick()
                self._newcomers -= 1

    def _check(self, inputs: int) -> None:
        wait = self._wait()
        since = self._waiting_since
        standing = since is not None and self._at - since > BURST_SECONDS
        overloaded = standing and wait > self._wait_seconds and self._newcomers > FEW
        full = self.in_flight + inputs > self._limit
        if full or overloaded:
            raise Unavailable(
                f"The server is embedding {self.in_flight} inputs; try again later.",
                code="overloaded",
                retry_after_seconds=max(1, ceil(min(wait, MAX_RETRY_SECONDS))),
            )

    def _wait(self) -> float:
        """Return how long a newcomer waits for its first answer; 0 while nothing is known."""
        return self._newcomers * self._busy / self._answered if self._answered else 0.0

    def _tick(self) -> None:
        """Bring the averages, and for how long the wait has been too long, up to now."""
        now = self._clock()
        if self._newcomers:
            passed = now - self._at
            fade = exp(-passed / MEMORY_SECONDS)
            self._busy = self._busy * fade + passed
            self._answered *= fade
        self._at = now
        wait = self._wait()
        if wait < self._wait_seconds / 2:
            self._waiting_since = None
        elif wait > self._wait_seconds and self._waiting_since is None:
            self._waiting_since = now
