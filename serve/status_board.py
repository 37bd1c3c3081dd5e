"""The published state and the restart counters of the supervisor, with notification of changes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from triton_embed.contract.status import PublishedModel, PublishedState


class StatusBoard:
    """Holds the published state, and counts restarts.

    Attributes:
        state: The published state. Its first generation is the time in milliseconds, so that the
            generation also increases when the supervisor restarts.
        process_restarts: Number of restarts of each process, by its name; 0 for expected ones.
        step_reloads: Number of reloads of each step whose process had died, likewise.
        waiting: Number of waits that have not ended.
    """

    def __init__(self) -> None:
        self.state = PublishedState(time.time_ns() // 1_000_000)
        self.process_restarts: Counter[str] = Counter()
        self.step_reloads: Counter[str] = Counter()
        self.waiting = 0
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def ready(self) -> bool:
        """True while at least one model is served."""
        return any(model.is_served for model in self.state.models)

    def publish(self, models: Iterable[PublishedModel]) -> bool:
        """Replace the models; if any has changed, increase the generation and notify the waiters.

        Returns:
            Whether any has changed.
        """
        changed = tuple(sorted(models, key=lambda model: model.model_id))
        if changed == self.state.models:
            return False
        self.state = PublishedState(self.state.generation + 1, changed)
        self._notify()
        return True

    def expect_restarts(self, processes: Iterable[str], steps: Iterable[str] = ()) -> None:
        """Start the counters at 0, so that ``increase()`` includes the first restart."""
        self.process_restarts.update(dict.fromkeys(processes, 0))
        self.step_reloads.update(dict.fromkeys(steps, 0))

    def close(self) -> None:
        """End all waits; later waits return immediately."""
        self._closed = True
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, generation: int, seconds: float) -> PublishedState:
        """Return the state once it is not of `generation`, at the latest after `seconds`."""
        if self.state.generation == generation and not self._closed:
            self.waiting += 1
            try:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), seconds)
            finally:
                self.waiting -= 1
        return self.state
