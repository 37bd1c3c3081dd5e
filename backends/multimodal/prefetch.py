"""Results of which the next is computed while the caller uses the previous one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")


async def prefetched(
    calls: Sequence[Callable[[], Coroutine[Any, Any, Result]]],
) -> AsyncGenerator[Result, None]:
    """Yield the results of the calls, in order; one call runs at a time.

    If the generator is closed, the running call is canceled, and the rest never begin.
    """
    if not calls:
        return
    running = asyncio.create_task(calls[0]())
    try:
        for call in calls[1:]:
            result = await running
            running = asyncio.create_task(call())
            yield result
        yield await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
