"""Wait for a condition with a deadline, in tests and benchmarks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")

POLL_INTERVAL_SECONDS = 0.02
"""Pause between two checks: short compared with a request, long compared with a busy loop."""

DEADLINE_SECONDS = 240.0
"""Default time in seconds until a wait fails: four times the slowest wait on a quiet machine with
two cores, which is for gRPC to resolve a name again."""


def eventually(
    check: Callable[[], Result | None],
    *,
    message: str,
    deadline_seconds: float = DEADLINE_SECONDS,
    ignored: tuple[type[Exception], ...] = (AssertionError,),
) -> Result:
    """Poll `check` until it returns something true, and return that.

    Args:
        check: Returns the awaited value; anything false, or an `ignored` error, means "not yet".
        message: Describes the awaited condition, for the error.
        deadline_seconds: Time until the wait fails. At least one check is made.
        ignored: Errors of `check` that do not end the wait.

    Raises:
        AssertionError: The deadline has passed; the text ends with the last value or error.
    """
    deadline = time.monotonic() + deadline_seconds
    while True:
        outcome: object
        error = None
        try:
            if result := check():
                return result
            outcome = result
        except ignored as caught:
            outcome = error = caught
        if time.monotonic() >= deadline:
            raise _expired(message, deadline_seconds, outcome) from error
        time.sleep(POLL_INTERVAL_SECONDS)


async def eventually_async(
    check: Callable[[], Awaitable[Result | None]],
    *,
    message: str,
    deadline_seconds: float = DEADLINE_SECONDS,
    ignored: tuple[type[Exception], ...] = (AssertionError,),
) -> Result:
    """Await `check` until it returns something true, as `eventually` does."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        outcome: object
        error = None
        try:
            if result := await check():
                return result
            outcome = result
        except ignored as caught:
            outcome = error = caught
        if time.monotonic() >= deadline:
            raise _expired(message, deadline_seconds, outcome) from error
        await asyncio.sleep(POLL_INTERVAL_SECONDS)


def _expired(message: str, deadline_seconds: float, outcome: object) -> AssertionError:
    return AssertionError(f"{message}: not within {deadline_seconds:g} s; last: {outcome!r}")
