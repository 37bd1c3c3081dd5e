"""Disconnected clients: unsent work is canceled, work that was sent is awaited."""

from __future__ import annotations

import asyncio

import pytest

from triton_embed.contract.errors import ClientDisconnected
from triton_embed.gateway.scheduling.cancellation import cancel_on_disconnect, wait_for_all


async def test_work_is_canceled_when_the_client_disconnects() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def until_disconnect() -> None:
        return

    with pytest.raises(ClientDisconnected):
        await cancel_on_disconnect(work(), until_disconnect)
    assert cancelled.is_set()


async def test_result_is_returned_while_the_client_stays() -> None:
    watched = asyncio.Event()

    async def work() -> str:
        await watched.wait()
        return "vectors"

    async def until_disconnect() -> None:
        watched.set()
        await asyncio.Event().wait()

    assert await cancel_on_disconnect(work(), until_disconnect) == "vectors"


async def test_disconnect_at_the_moment_of_the_result_cancels_nothing_later() -> None:
    disconnected, watched = asyncio.Event(), asyncio.Event()
    result = asyncio.get_running_loop().create_future()

    async def until_disconnect() -> None:
        watched.set()
        await disconnected.wait()

    async def request() -> str:
        vectors = await cancel_on_disconnect(result, until_disconnect)
        await asyncio.sleep(0)
        return str(vectors)

    responding = asyncio.create_task(request())
    await watched.wait()
    disconnected.set()
    result.set_result("vectors")
    assert await responding == "vectors"


async def test_cancellation_by_the_server_is_no_disconnect() -> None:
    task = asyncio.create_task(cancel_on_disconnect(asyncio.Event().wait(), asyncio.Event().wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_canceled_wait_ends_when_all_results_are_available() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    waiting = asyncio.create_task(wait_for_all([first, second]))
    await asyncio.sleep(0)
    waiting.cancel()
    first.set_exception(KeyError())
    await asyncio.sleep(0)
    assert not waiting.done()
    second.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await waiting
