"""The requests of one model that have been admitted and not yet been embedded."""

from __future__ import annotations

from collections.abc import Callable

from triton_embed.gateway.scheduling.codel import CoDel
from triton_embed.gateway.scheduling.throughput import Throughput

MAX_SMALL_TOKENS = 4096
"""Estimated tokens of a small request: a single text, or a list of 30 paragraphs."""

MIN_SMALL_REQUESTS = 16
"""Small requests that are always admitted, however slow the model: a few clients that wait for each
response are not an overload. With more, the model is saturated."""

LEAVING_SECONDS = 0.01
"""Time for which fewer small requests still count as saturating. The vectors of a batch arrive
together, but its requests leave one after the other: the last `MIN_SMALL_REQUESTS` leave within
about 5 ms, and were embedded while the model was saturated. Otherwise the rate measured with 16
clients of single texts would be 16 times too small, and a burst would be rejected."""

MIN_LARGE_REQUESTS = 2
"""Larger requests that are always admitted. One is embedded while the next is on its way; each
takes at most about this many times as long as alone. A third would only add to the wait."""


class ModelQueue:
    """Counts the waiting work of one model and estimates the time that it takes.

    Two rules limit the queue time. *Budget*: the tokens waiting must be embedded within `target`,
    at the rate of the last seconds; for a large request, its own tokens included. *CoDel*: if the
    estimate is wrong, the queue of requests stays long.

    Args:
        target: Acceptable queue time, in seconds.
        clock: Returns seconds.
    """

    def __init__(self, target: float, clock: Callable[[], float]) -> None:
        self._target = target
        self._clock = clock
        self._now = clock()
        self._throughput = Throughput()
        self._codel = CoDel(target)
        self._leaving_until = self._now
        self._unserved = 0
        self._small_requests = 0
        self._large_requests = 0
        self._interactive_tokens = 0
        self._bulk_tokens = 0

    def excess_seconds(self, tokens: int, *, bulk: bool) -> float:
        """Return the time that a new request should wait before it is sent; 0 admits it."""
        self._advance()
        budgeted = self.seconds(bulk=bulk)
        if tokens <= MAX_SMALL_TOKENS:
            is_free = self._small_requests < MIN_SMALL_REQUESTS
        else:
            is_free = self._large_requests < MIN_LARGE_REQUESTS
            # Otherwise a third list that takes seconds would share the model with the others.
            budgeted += self._throughput.seconds_for_tokens(tokens)
        if is_free:
            return 0.0
        queued = self._throughput.seconds_for_requests(self._unserved)
        if budgeted > self._target or self._codel.rejects(queued):
            return max(budgeted, queued) - self._target
        return 0.0

    def seconds(self, *, bulk: bool) -> float:
        """Return the time needed to embed the work ahead of a new request.

        Interactive requests do not wait for bulk requests: Triton has at most two of their chunks.
        """
        ahead = self._interactive_tokens + (self._bulk_tokens if bulk else 0)
        return self._throughput.seconds_for_tokens(ahead)

    def enter(self, tokens: int, *, bulk: bool) -> None:
        """Add a request that `excess_seconds` has just admitted."""
        self._unserved += 1
        self._count(tokens, 1)
        self._add(tokens, bulk)

    def embedded(self, tokens: int, *, bulk: bool, is_first: bool) -> None:
        """Record that `tokens` of a request were embedded; `is_first`: its first."""
        self._advance()
        if self._is_saturated or self._now < self._leaving_until:
            self._throughput.add(tokens, is_first)
        self._add(-tokens, bulk)
        self._unserved -= is_first

    def leave(self, tokens: int, remaining: int, *, bulk: bool, was_served: bool) -> None:
        """Remove a request of `tokens`, of which `remaining` were not embedded."""
        self._advance()
        self._add(-remaining, bulk)
        self._count(tokens, -1)
        self._unserved -= not was_served

    @property
    def _is_saturated(self) -> bool:
        return self._bulk_tokens > 0 or self._small_requests >= MIN_SMALL_REQUESTS

    def _count(self, tokens: int, requests: int) -> None:
        if tokens <= MAX_SMALL_TOKENS:
            self._small_requests += requests
        else:
            self._large_requests += requests

    def _add(self, tokens: int, bulk: bool) -> None:
        if bulk:
            self._bulk_tokens += tokens
        else:
            self._interactive_tokens += tokens

    def _advance(self) -> None:
        """Bring the rates and the queue time up to now."""
        now = self._clock()
        if self._is_saturated:
            self._throughput.advance(now - self._now)
        elif self._now < self._leaving_until:
            self._throughput.advance(min(now, self._leaving_until) - self._now)
        if self._small_requests >= MIN_SMALL_REQUESTS:
            self._leaving_until = now + LEAVING_SECONDS
        self._now = now
        self._codel.update(self._throughput.seconds_for_requests(self._unserved), now)
