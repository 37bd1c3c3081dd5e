"""The interface of the backend that embeds a job; Triton's client implements it."""

from __future__ import annotations

from typing import Protocol

from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob


class InferenceBackend(Protocol):
    """Embeds jobs that fit in one request to Triton."""

    async def embed(self, job: EmbedJob) -> EmbeddingBatch:
        """Embed all inputs of `job` as one request.

        Raises:
            ApiError: Triton rejected the request or could not process it.
        """
