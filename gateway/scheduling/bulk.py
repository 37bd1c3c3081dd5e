"""One bulk request, sent to Triton in chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from triton_embed.contract.errors import InvalidRequest
from triton_embed.gateway.scheduling.admission import Permit
from triton_embed.gateway.scheduling.backend import InferenceBackend
from triton_embed.gateway.scheduling.cancellation import wait_for_all
from triton_embed.gateway.scheduling.send_window import SendWindow
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob

CHUNK_PRIORITY_SECONDS = 0.25
"""Time between the due times of two chunks of a request. A new bulk request precedes the remaining
chunks of older requests, unless these have waited longer."""


class BulkRequest:
    """Sends the chunks of `job` in turn with other bulk requests.

    Args:
        job: The request.
        window: Shared by all bulk requests of the model.
        backend: Embeds the chunks.
        permit: The request's place in the queue.
        clock: Returns seconds.

    Attributes:
        sent_at: Time at which the first chunk was sent.
    """

    def __init__(
        self,
        job: EmbedJob,
        window: SendWindow,
        backend: InferenceBackend,
        permit: Permit,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._job = job
        self._window = window
        self._backend = backend
        self._permit = permit
        self._clock = clock
        self.sent_at = clock()
        self._chunks: list[asyncio.Task[EmbeddingBatch]] = []

    async def embed(self) -> list[EmbeddingBatch]:
        """Embed all chunks and return their vectors in order.

        If this is canceled, or a chunk fails, the unsent chunks are dropped, and the chunks that
        were sent are awaited.

        Raises:
            ApiError: a chunk failed.
        """
        self._sending = asyncio.create_task(self._send_all())
        try:
            await asyncio.wait([self._sending])
        finally:
            self._sending.cancel()
            await wait_for_all(self._chunks)
        batches = [chunk.result() for chunk in self._chunks]
        self._sending.result()
        return batches

    async def _send_all(self) -> None:
        arrived = self._clock()
        stop = 0
        while stop < len(self._job.inputs):
            start, due = stop, arrived + len(self._chunks) * CHUNK_PRIORITY_SECONDS
            stop = await self._window.acquire(self._job, start, due)
            if not self._chunks:
                self.sent_at = self._clock()
            self._permit.sent(len(self._job.inputs) - stop)
            self._chunks.append(asyncio.create_task(self._send(start, stop)))

    async def _send(self, start: int, stop: int) -> EmbeddingBatch:
        chunk = self._job.chunk(start, stop)
        sent = self._clock()
        seconds = None
        try:
            batch = await self._backend.embed(chunk)
            seconds = self._clock() - sent
            self._permit.embedded(chunk.tokens)
            return batch
        except BaseException as error:
            # Drop the queued chunks: the request has already failed.
            self._sending.cancel()
            if isinstance(error, InvalidRequest) and len(self._job.inputs) > 1:
                raise error.with_index(start, stop - start) from None
            raise
        finally:
            self._window.release(chunk.tokens, seconds)
