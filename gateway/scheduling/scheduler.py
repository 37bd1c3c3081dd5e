"""Embeds requests of any length through Triton requests of limited size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from time import perf_counter

from triton_embed.gateway.scheduling.admission import AdmissionController, Permit
from triton_embed.gateway.scheduling.backend import InferenceBackend
from triton_embed.gateway.scheduling.bulk import BulkRequest
from triton_embed.gateway.scheduling.cancellation import has_succeeded, wait_for_all
from triton_embed.gateway.scheduling.cost import TokenEstimator
from triton_embed.gateway.scheduling.deferred_rejections import DeferredRejections
from triton_embed.gateway.scheduling.micro_batcher import BatchLimits, MicroBatcher
from triton_embed.gateway.scheduling.send_window import SendWindow
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob


class Scheduler:
    """Sends interactive requests immediately, in micro-batches, and bulk requests in chunks.

    Args:
        backend: Embeds jobs that fit in one request to Triton.
        admission: Rejects requests that would wait too long.
        observe: Receives the model id, the queue time and the inference time of each embedded
            request, in seconds.
        clock: Returns seconds.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        admission: AdmissionController,
        observe: Callable[[str, float, float], None] = lambda model_id, queue, inference: None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._backend = backend
        self._places = DeferredRejections(admission)
        self._observe = observe
        self._clock = clock
        self._micro_batcher = MicroBatcher(backend)
        self._windows: defaultdict[str, SendWindow] = defaultdict(partial(SendWindow, clock))
        self._estimators: defaultdict[str, TokenEstimator] = defaultdict(TokenEstimator)

    def estimator(self, name: str) -> TokenEstimator:
        """Return the cost estimates of a model, by Triton's name of it."""
        return self._estimators[name]

    async def embed(self, job: EmbedJob) -> list[EmbeddingBatch]:
        """Embed all inputs of `job` and return their vectors in order, by chunk.

        If this is canceled, inputs that were not yet sent to Triton are dropped.

        Raises:
            Unavailable: the request is rejected, or Triton is not available.
            ApiError: Triton rejected an input or could not embed it.
        """
        window = self._windows[job.model.name]
        bulk = not window.fits(job)
        if len(job.inputs) == 1 and not bulk:
            window.note_interactive_request()
        arrived_at = self._clock()
        async with self._places.admit(job, bulk=bulk) as permit:
            sent_at = self._clock()
            if bulk:
                request = BulkRequest(job, window, self._backend, permit, self._clock)
                batches = await request.embed()
                sent_at = request.sent_at
            else:
                batches = [await self._embed_at_once(job, window, permit)]
        model_id = job.model.spec.model_id
        self._observe(model_id, sent_at - arrived_at, self._clock() - sent_at)
        self._estimators[job.model.name].learn(job, batches)
        return batches

    async def _embed_at_once(
        self, job: EmbedJob, window: SendWindow, permit: Permit
    ) -> EmbeddingBatch:
        limits = BatchLimits(job.model.max_batch_size, window.chunk_tokens)
        result = self._micro_batcher.embed(job, limits)
        try:
            await wait_for_all([result])
        finally:
            if has_succeeded(result):
                permit.embedded(job.tokens)
        return result.result()
