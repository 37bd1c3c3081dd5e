"""Sends short requests that arrive at the same moment as one request to Triton."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import Options
from triton_embed.gateway.scheduling.backend import InferenceBackend
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob, Input, TraceHeaders

Key = tuple[str, Options, TraceHeaders]
"""Properties that the requests of a micro-batch share: name of the model, options and trace."""


@dataclass(frozen=True)
class BatchLimits:
    """Maximum inputs and estimated tokens of a micro-batch."""

    inputs: int
    tokens: int


@dataclass
class _MicroBatch:
    """Requests that are sent together."""

    first: EmbedJob
    inputs: list[Input] = field(default_factory=list)
    tokens: int = 0
    parts: list[tuple[slice, asyncio.Future[EmbeddingBatch]]] = field(default_factory=list)

    def add(self, job: EmbedJob, result: asyncio.Future[EmbeddingBatch]) -> None:
        start = len(self.inputs)
        self.inputs += job.inputs
        self.tokens += job.tokens
        self.parts.append((slice(start, len(self.inputs)), result))

    def has_room(self, job: EmbedJob, limits: BatchLimits) -> bool:
        return (
            len(self.inputs) + len(job.inputs) <= limits.inputs
            and self.tokens + job.tokens <= limits.tokens
        )

    def job(self, part: slice = slice(None)) -> EmbedJob:
        first = self.first
        return EmbedJob(first.model, self.inputs[part], first.options, first.trace)


class MicroBatcher:
    """Joins the requests of one iteration of the event loop; no request waits for others to arrive.

    An additional request costs Triton and each step more than an additional text in a request.
    Requests with images are not joined: the images of one request are decoded one after the other,
    and texts must not wait for them.

    Args:
        backend: Embeds the micro-batches.
    """

    def __init__(self, backend: InferenceBackend) -> None:
        self._backend = backend
        self._open: dict[Key, _MicroBatch] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def embed(self, job: EmbedJob, limits: BatchLimits) -> asyncio.Future[EmbeddingBatch]:
        """Embed a short request.

        An invalid request does not harm its batch mates. A request whose future is canceled
        is embedded anyway: a canceled call can crash Triton 2.51.

        Args:
            job: The request.
            limits: Limits of the micro-batch.

        Returns:
            The vectors, or an ApiError.
        """
        result: asyncio.Future[EmbeddingBatch] = asyncio.get_running_loop().create_future()
        key = (job.model.name, job.options, job.trace)
        batch = None if job.has_images else self._open.get(key)
        if batch is None or not batch.has_room(job, limits):
            batch = _MicroBatch(job)
            if not job.has_images:
                self._open[key] = batch
            self._send(key, batch)
        batch.add(job, result)
        return result

    def _send(self, key: Key, batch: _MicroBatch) -> None:
        task = asyncio.ensure_future(self._embed(key, batch))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _embed(self, key: Key, batch: _MicroBatch) -> None:
        # A task starts in the next iteration of the event loop; until now, others could join.
        if self._open.get(key) is batch:
            del self._open[key]
        try:
            embedded = await self._backend.embed(batch.job())
        except asyncio.CancelledError:
            # Fail the waiting requests; no other code holds their futures.
            for _, result in batch.parts:
                result.cancel()
            raise
        except Exception as error:
            if isinstance(error, InvalidRequest) and len(batch.parts) > 1:
                self._send_apart(key, batch)
                return
            for _, result in batch.parts:
                if not result.done():
                    result.set_exception(error)
        else:
            for part, result in batch.parts:
                if not result.done():
                    result.set_result(embedded[part])

    def _send_apart(self, key: Key, batch: _MicroBatch) -> None:
        """Send each request again separately, to find the invalid ones."""
        for part, result in batch.parts:
            alone = _MicroBatch(batch.first)
            alone.add(batch.job(part), result)
            self._send(key, alone)
