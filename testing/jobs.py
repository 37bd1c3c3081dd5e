"""Jobs of a small model, and a backend that embeds them when a test allows it."""

from __future__ import annotations

import asyncio

import numpy as np

from triton_embed.contract.errors import InvalidRequest, Unavailable
from triton_embed.contract.inputs import map_inputs
from triton_embed.contract.options import Modality, Options
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob, Input, TraceHeaders
from triton_embed.gateway.triton.model import ServedModel

MODEL = ServedModel(
    ModelSpec("m", max_tokens=8, vocab_size=9, dimension=2), "m", "m", "m_direct", 256
)


def make_input(data: bytes, tokens: int | None = None) -> Input:
    """Return a text of a given cost; default: a token per byte."""
    return Input(Modality.TEXT, data, tokens or len(data) or 1)


def make_job(
    *data: bytes,
    options: Options = Options(),  # noqa: B008
    trace: TraceHeaders = (),
    model: ServedModel = MODEL,
) -> EmbedJob:
    """Return a job of texts, with a cost of a token per byte."""
    return EmbedJob(model, [make_input(item) for item in data], options, trace)


class ControlledBackend:
    """Embeds a text as its length, when `open` is set; rejects texts that begin with ``wrong``.

    Attributes:
        open: Whether responses are returned immediately.
        requests: The texts of each request so far.
    """

    def __init__(self, *, is_open: bool = True) -> None:
        self.open = asyncio.Event()
        self.requests: list[list[bytes]] = []
        self._received = asyncio.Condition()
        if is_open:
            self.open.set()

    async def embed(self, job: EmbedJob) -> EmbeddingBatch:
        """Record the request, and respond once `open` is set."""
        texts = [item.data for item in job.inputs]
        self.requests.append(texts)
        async with self._received:
            self._received.notify_all()
        await self.open.wait()
        if b"down" in texts:
            raise Unavailable("Triton is down")
        map_inputs(texts, _reject_wrong)
        lengths = np.array([len(text) for text in texts], np.int32)
        return EmbeddingBatch(lengths[:, None].astype(np.float32), lengths)

    async def received(self, requests: int = 1) -> None:
        """Wait until at least that many requests have been received."""
        async with self._received:
            await self._received.wait_for(lambda: len(self.requests) >= requests)


def _reject_wrong(text: bytes) -> None:
    if text.startswith(b"wrong"):
        raise InvalidRequest("'input' is wrong", param="input")
