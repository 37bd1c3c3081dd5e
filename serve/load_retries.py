"""Failed loads that say nothing about the model."""

from __future__ import annotations

from collections import Counter

STUB_ENDED = "Stub process"
"""Part of Triton's error if the process of a step ended."""

UNAVAILABLE = "UNAVAILABLE"
"""gRPC status if Triton itself has ended or does not respond."""

MAX_RETRIES = 2
"""Number of further attempts to load a model whose process has ended, one at each scan."""


class LoadRetries:
    """Decides whether a model that could not be loaded is loaded again."""

    def __init__(self) -> None:
        self._ended: Counter[str] = Counter()

    def allow(self, name: str, reason: str, status: str = "") -> bool:
        """Return whether to load a model again, and count the attempt.

        Args:
            name: Name of the model's entry.
            reason: Triton's error.
            status: Its gRPC status, if known.
        """
        if status == UNAVAILABLE:
            return True
        if STUB_ENDED not in reason or self._ended[name] >= MAX_RETRIES:
            return False
        self._ended[name] += 1
        return True

    def forget(self, name: str) -> None:
        """Forget the attempts of a model that was loaded."""
        del self._ended[name]
