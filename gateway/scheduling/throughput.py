"""A model's rate of work while it has enough of it."""

from __future__ import annotations

from math import exp

AVERAGING_SECONDS = 5.0
"""Time constant of the averages. Shorter ones follow single batches, longer ones react to another
kind of texts only after the queue has grown."""


class Throughput:
    """Exponentially weighted rates over the time in which a model was saturated.

    A server that waits for its clients says nothing about its capacity, so that time spent idle or
    nearly idle is left out.

    Args:
        min_seconds: Saturated time after which the rates are used.
    """

    def __init__(self, min_seconds: float) -> None:
        self._min_seconds = min(min_seconds, AVERAGING_SECONDS / 2)
        self._seconds = self._tokens = self._requests = 0.0

    def advance(self, seconds: float) -> None:
        """Record that the model was saturated for `seconds`."""
        fade = exp(-seconds / AVERAGING_SECONDS)
        self._seconds = self._seconds * fade + seconds
        self._tokens *= fade
        self._requests *= fade

    def add(self, tokens: int, requests: int) -> None:
        """Record embedded tokens, and requests that received their first vectors."""
        self._tokens += tokens
        self._requests += requests

    def seconds_for_tokens(self, tokens: int) -> float:
        """Return the time in which `tokens` are embedded; 0 while the rate is unknown."""
        return self._seconds_for(tokens, self._tokens)

    def seconds_for_requests(self, requests: int) -> float:
        """Return the time in which `requests` begin to be embedded; 0 while unknown."""
        return self._seconds_for(requests, self._requests)

    def _seconds_for(self, amount: int, done: float) -> float:
        if self._seconds < self._min_seconds or not done:
            return 0.0
        return amount * self._seconds / done
