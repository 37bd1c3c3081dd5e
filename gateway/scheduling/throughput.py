"""The rate at which a saturated model works."""

from __future__ import annotations

from math import exp

AVERAGING_SECONDS = 5.0
"""Time constant of the averages. With a shorter one they follow single batches; with a
longer one they react to another kind of texts only after the queue has grown."""

FIRST_TOKENS_PER_SECOND = 16_000
"""Rate before anything is measured: about half of that of MiniLM on 2 cores. At first, a slower
model admits too much and a faster model too little, until it has been busy for about
`FIRST_SECONDS`."""

FIRST_SECONDS = 0.1
"""Weight of the first rate, in seconds."""


MIN_TOKENS = 1.0
"""Lower bound of the averaged tokens, so that there is a rate after hours without a response."""


class Throughput:
    """Exponentially weighted rates over the time in which a model was saturated.

    While a server waits for its clients, its rate does not show its capacity; time spent idle or
    nearly idle is therefore excluded.
    """

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS
        self._tokens = FIRST_SECONDS * FIRST_TOKENS_PER_SECOND
        self._requests = 0.0

    def advance(self, seconds: float) -> None:
        """Record that the model was saturated for `seconds`."""
        fade = exp(-seconds / AVERAGING_SECONDS)
        self._seconds = self._seconds * fade + seconds
        self._tokens = max(self._tokens * fade, MIN_TOKENS)
        self._requests *= fade

    def add(self, tokens: int, requests: int) -> None:
        """Record tokens, and requests with their first vectors, that were embedded in that time."""
        self._tokens += tokens
        self._requests += requests

    def seconds_for_tokens(self, tokens: int) -> float:
        """Return the time in which `tokens` are embedded."""
        return tokens * self._seconds / self._tokens

    def seconds_for_requests(self, requests: int) -> float:
        """Return the time in which `requests` begin to be embedded; 0 while the rate is unknown."""
        return requests * self._seconds / self._requests if self._requests else 0.0
