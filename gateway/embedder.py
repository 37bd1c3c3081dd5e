"""Embeds a list of any length through requests that Triton takes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from contract.options import Options
from gateway.catalog import Model
from gateway.triton import Embedded, Triton

CHUNK_INPUTS = 64
"""Most inputs of one request to Triton."""

CHUNKS_IN_FLIGHT = 4
"""Requests to Triton at a time on behalf of one client: enough to fill an execution of the
encoder, few enough that a long list does not fill Triton's queue."""


def places(model: Model, inputs: Sequence[bytes]) -> int:
    """Return how many of `inputs` are at Triton at a time."""
    return min(len(inputs), CHUNKS_IN_FLIGHT * _chunk_size(model))


def _chunk_size(model: Model) -> int:
    return min(model.max_batch_size, CHUNK_INPUTS)


async def embed(
    triton: Triton, model: Model, inputs: Sequence[bytes], options: Options
) -> list[Embedded]:
    """Embed `inputs` and return their vectors in order, in chunks.

    If this is cancelled, or a chunk fails, chunks that were not sent are dropped. Those that were
    are awaited: a cancelled call can crash the Triton of the wheel.

    Raises:
        EmbedError: a chunk failed.
    """
    size = _chunk_size(model)
    slots = asyncio.Semaphore(CHUNKS_IN_FLIGHT)

    async def send(start: int) -> Embedded:
        async with slots:
            chunk = inputs[start : start + size]
            return await _to_the_end(triton.embed(model.name, chunk, options))

    tasks = [asyncio.ensure_future(send(start)) for start in range(0, len(inputs), size)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_the_end(call: Coroutine[Any, Any, Embedded]) -> Embedded:
    """Await `call`; when cancelled, let it finish first."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
