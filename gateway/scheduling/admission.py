"""Rejects requests that would wait too long.

The limit is not in Triton, whose own queue policy causes random stalls of half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from time import perf_counter

from triton_embed.contract.errors import Unavailable
from triton_embed.gateway.scheduling.model_queue import ModelQueue
from triton_embed.gateway.triton.job import EmbedJob

MAX_COUNTED_INPUTS = 256
"""Maximum inputs of one request that count toward the limit: the rest waits in the gateway."""

MIN_CONCURRENT_REQUESTS = 4
"""Minimum requests that fit in the limit: each counts as at most its share of the limit."""

BULK_SHARE = 0.75
"""Maximum share of the limit for bulk requests. The rest is reserved for interactive requests,
which would otherwise be rejected until a bulk request has finished."""

MAX_RETRY_SECONDS = 60
"""Upper bound of `Retry-After`: the estimate diverges while Triton returns nothing."""


class InputCounts:
    """Inputs of the admitted requests of all models.

    Args:
        report: Receives every change.

    Attributes:
        in_flight: Inputs, as counted against the limit.
        waiting: Inputs in flight that have not been sent to Triton.
    """

    __slots__ = ("_report", "in_flight", "waiting")

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report
        self.in_flight = self.waiting = 0

    def add(self, in_flight: int, waiting: int) -> None:
        """Add to both numbers, and report them."""
        self.in_flight += in_flight
        self.waiting += waiting
        self._report(self.in_flight, self.waiting)


class Permit:
    """The place of an admitted request in its model's queue.

    Args:
        queue: The queue.
        tokens: Estimated tokens of the request.
        counts: The counts that include it.
        inputs: Its inputs, as counted.
        bulk: Whether it is sent in chunks; otherwise it is sent immediately.

    Attributes:
        waiting: Its inputs, as counted, that have not been sent to Triton.
    """

    __slots__ = (
        *("_bulk", "_counts", "_inputs", "_queue", "_remaining", "_tokens", "_was_served"),
        "waiting",
    )

    def __init__(
        self, queue: ModelQueue, tokens: int, counts: InputCounts, inputs: int, *, bulk: bool
    ) -> None:
        self._queue = queue
        self._tokens = self._remaining = tokens
        self._counts = counts
        self._inputs = inputs
        self._bulk = bulk
        self._was_served = False
        self.waiting = inputs if bulk else 0
        queue.enter(tokens, bulk=bulk)
        counts.add(inputs, self.waiting)

    def sent(self, remaining: int) -> None:
        """Record that a chunk was sent, and that `remaining` inputs have not been sent."""
        before, self.waiting = self.waiting, min(self._inputs, remaining)
        if self.waiting != before:
            self._counts.add(0, self.waiting - before)

    def embedded(self, tokens: int) -> None:
        """Record that `tokens` of the request were embedded."""
        self._remaining -= tokens
        self._queue.embedded(tokens, bulk=self._bulk, is_first=not self._was_served)
        self._was_served = True

    def release(self) -> None:
        """Give up the place."""
        self._counts.add(-self._inputs, -self.waiting)
        self._queue.leave(
            self._tokens, self._remaining, bulk=self._bulk, was_served=self._was_served
        )


class AdmissionController:
    """Admits requests while their inputs are within a limit and their queue time is acceptable.

    Args:
        max_inputs: Maximum inputs being embedded at a time, over all models.
        max_queue_seconds: Acceptable queue time of each model.
        clock: Returns seconds.
        report: Receives the inputs in flight and those of them that wait, at every change.
    """

    def __init__(
        self,
        max_inputs: int,
        max_queue_seconds: float,
        clock: Callable[[], float] = perf_counter,
        report: Callable[[int, int], None] = lambda in_flight, waiting: None,
    ) -> None:
        self._counts = InputCounts(report)
        self._bulk_inputs = 0
        self._max_inputs = max_inputs
        self._max_bulk_inputs = ceil(max_inputs * BULK_SHARE)
        self._max_queue_seconds = max_queue_seconds
        self._clock = clock
        self._queues: dict[str, ModelQueue] = {}

    @property
    def inputs(self) -> int:
        """Inputs being embedded, as counted against the limit."""
        return self._counts.in_flight

    @contextmanager
    def admit(self, job: EmbedJob, *, bulk: bool) -> Iterator[Permit]:
        """Hold a place for `job` while in the block.

        Args:
            job: The request.
            bulk: Whether it is sent in chunks.

        Raises:
            Unavailable: the request is rejected.
        """
        queue = self._queues.get(job.model.name)
        if queue is None:
            queue = ModelQueue(self._max_queue_seconds, self._clock)
            self._queues[job.model.name] = queue
        limit = self._max_bulk_inputs if bulk else self._max_inputs
        inputs = min(len(job.inputs), MAX_COUNTED_INPUTS, ceil(limit / MIN_CONCURRENT_REQUESTS))
        excess = queue.excess_seconds(job.tokens, bulk=bulk)
        if excess > 0 or not self._has_room(inputs, bulk=bulk):
            raise self._rejection(excess or queue.seconds(bulk=True))
        permit = Permit(queue, job.tokens, self._counts, inputs, bulk=bulk)
        self._bulk_inputs += inputs * bulk
        try:
            yield permit
        finally:
            self._bulk_inputs -= inputs * bulk
            permit.release()

    def _has_room(self, inputs: int, *, bulk: bool) -> bool:
        if bulk and self._bulk_inputs + inputs > self._max_bulk_inputs:
            return False
        return self.inputs + inputs <= self._max_inputs

    def _rejection(self, seconds: float) -> Unavailable:
        return Unavailable(
            f"The server is embedding {self.inputs} inputs; try again later.",
            code="overloaded",
            retry_after_seconds=max(1, ceil(min(seconds, MAX_RETRY_SECONDS))),
        )
