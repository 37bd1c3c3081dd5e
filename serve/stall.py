"""Detection of stalled steps: a step that does not respond may be dead, or only busy.

A request to a healthy model may wait for minutes behind others, and one execution of a large batch
may itself take minutes. A step is stalled only if, for `STALL_TIMEOUT_SECONDS`, it has neither
finished an execution nor used the CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from triton_embed.runtime import processes
from triton_embed.serve.errors import TritonError

PROBE_GRACE_SECONDS = 1.0
"""Time in seconds before the step of a pending probe is inspected. A healthy model that is not
overloaded responds within a few milliseconds, so that almost no probe requires an inspection."""

STALL_TIMEOUT_SECONDS = 120.0
"""Time in seconds without a result and without CPU use after which a step is stalled. It also
limits Triton's administrative requests. Longer than disk or swap can delay a healthy process."""

MIN_BUSY_FRACTION = 0.1
"""CPU use of a busy step, as a fraction of one core over `STALL_TIMEOUT_SECONDS`. An idle Python
step uses less than 0.01; a step that computes uses far more, even next to others."""


def step_cpu_seconds(step: str) -> float:
    """Return the CPU time used by the Python processes of `step`, in seconds.

    A step without processes of its own runs inside Triton, whose CPU time is returned then.
    """
    # Triton names the process of an instance `<model>_<group>_<instance>`.
    own = processes.descendants(command=f" {step}_")
    return processes.cpu_seconds(*(own or processes.descendants(command=" --model-repository=")))


async def done_within(request: asyncio.Future[Any], seconds: float) -> bool:
    """Wait until `request` is done, at most for `seconds`, and return whether it is."""
    return bool((await asyncio.wait([request], timeout=seconds))[0])


class StallDetector:
    """Waits for a response as long as a step that it depends on makes progress.

    Args:
        execution_count: Returns the number of executions that a step has finished.
        cpu_seconds: Returns the CPU time that a step has used.
        done_within: Waits for a request for some seconds; replaced in tests.
    """

    def __init__(
        self,
        execution_count: Callable[[str], Awaitable[int]],
        cpu_seconds: Callable[[str], float] = step_cpu_seconds,
        done_within: Callable[[asyncio.Future[Any], float], Awaitable[bool]] = done_within,
    ) -> None:
        self._execution_count = execution_count
        self._cpu_seconds = cpu_seconds
        self._done_within = done_within

    async def wait(self, request: asyncio.Future[Any], steps: Sequence[str]) -> bool:
        """Wait until `request` is done or no step makes progress, and return whether it is done.

        Args:
            request: A request that waits behind others for one of the steps.
            steps: The steps that it passes: while one of them is busy, the request is not stalled.

        Raises:
            TritonError: Triton does not report the progress of a step.
        """
        if await self._done_within(request, PROBE_GRACE_SECONDS):
            return True
        progress = await self._all_progress(steps)
        while not await self._done_within(request, STALL_TIMEOUT_SECONDS):
            before, progress = progress, await self._all_progress(steps)
            if not any(map(_has_advanced, before, progress)):
                return False
        return True

    async def _all_progress(self, steps: Sequence[str]) -> list[tuple[int, float]]:
        return [await self._progress(step) for step in steps]

    async def _progress(self, step: str) -> tuple[int, float]:
        """Return the number of finished executions and the CPU time of `step`."""
        finished = asyncio.ensure_future(self._execution_count(step))
        try:
            if not await self._done_within(finished, STALL_TIMEOUT_SECONDS):
                raise TritonError(
                    f"Triton has not reported the progress of {step} for "
                    f"{STALL_TIMEOUT_SECONDS:.0f} s",
                    "DEADLINE_EXCEEDED",
                )
            return await finished, self._cpu_seconds(step)
        finally:
            finished.cancel()


def _has_advanced(before: tuple[int, float], now: tuple[int, float]) -> bool:
    """Return whether a step has finished an execution or used the CPU."""
    busy = now[1] - before[1] >= MIN_BUSY_FRACTION * STALL_TIMEOUT_SECONDS
    return busy or now[0] != before[0]
