"""Cancels the unsent work of disconnected clients, and awaits the work that was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from triton_embed.contract.errors import ClientDisconnected

T = TypeVar("T")

UNWATCHED_SECONDS = 0.1
"""Time before a disconnected client is detected: most requests have their response by then, and
detection costs a task."""


async def cancel_on_disconnect(
    work: Awaitable[T], until_disconnect: Callable[[], Awaitable[Any]]
) -> T:
    """Return what `work` returns; cancel it if the client disconnects first.

    Args:
        work: Runs in the current task.
        until_disconnect: Returns when the client has disconnected.

    Raises:
        ClientDisconnected: the client disconnected.
    """
    task = asyncio.current_task()
    assert task
    watching: asyncio.Future[Any] | None = None
    has_ended = False

    def cancel(_: asyncio.Future[Any]) -> None:
        # A callback that is scheduled already could not be removed.
        if not has_ended:
            task.cancel()

    def watch() -> None:
        nonlocal watching
        watching = asyncio.ensure_future(until_disconnect())
        watching.add_done_callback(cancel)

    timer = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, watch)
    try:
        return await work
    except asyncio.CancelledError:
        if watching and watching.done():
            raise ClientDisconnected from None
        raise
    finally:
        has_ended = True
        timer.cancel()
        if watching:
            watching.cancel()


def has_succeeded(result: asyncio.Future[Any]) -> bool:
    """Return whether `result` is available and not an exception."""
    return result.done() and not result.cancelled() and result.exception() is None


async def wait_for_all(results: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until all `results` are available, even if this is canceled meanwhile.

    A call that was sent is never canceled: that can crash Triton 2.51
    (https://github.com/triton-inference-server/server/issues/7368), and a client that disconnects
    keeps its place until its work is finished.
    """
    if not results:
        return
    try:
        await asyncio.wait(results)
    except asyncio.CancelledError:
        await asyncio.wait(results)
        raise
    finally:
        for result in results:
            # Only the first failure is reported; asyncio would log the others as never retrieved.
            if result.done() and not result.cancelled():
                result.exception()
