"""CoDel, "controlled delay": distinguishes a standing queue from a burst (RFC 8289)."""

from __future__ import annotations

INTERVAL_TARGETS = 5
"""Length of the interval, in targets. RFC 8289 §4.3 uses 20, for packets whose burst lasts a
round-trip time. A client of the gateway sends its next request after a response, so that a burst
lasts about as many targets as it has requests per client."""

RECOVERED_SHARE = 0.5
"""Share of the target below which the queue no longer counts as standing. With 1, rejections
would end as soon as they take effect, and the next interval would admit a burst (RFC 8289 §4.2
keeps its drop rate for the same reason)."""


class CoDel:
    """Tracks the queue time of one model.

    The queue is standing when its time has not been below `target` once in an interval, until it
    is below half the target.

    Args:
        target: Acceptable queue time, in seconds.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._above_since: float | None = None
        self._is_standing = False

    def update(self, queue_seconds: float, now: float) -> None:
        """Record the queue time at the time `now`."""
        if queue_seconds <= self._target * RECOVERED_SHARE:
            self._is_standing = False
        if queue_seconds <= self._target:
            self._above_since = None
        elif self._above_since is None:
            self._above_since = now
        elif now - self._above_since > INTERVAL_TARGETS * self._target:
            self._is_standing = True

    def rejects(self, queue_seconds: float) -> bool:
        """Return whether a new request is rejected at this queue time."""
        return self._is_standing and queue_seconds > self._target
