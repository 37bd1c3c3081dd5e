"""Embeds a list of any length through requests that Triton takes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import perf_counter

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import Options
from triton_embed.gateway.scheduling.micro_batcher import MicroBatcher
from triton_embed.gateway.scheduling.send_window import SendWindow
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.client import InferenceClient
from triton_embed.gateway.triton.model import ServedModel

BYTES_PER_TOKEN = 8
"""What is beyond so many bytes for each token that a model takes is taken to be cut off."""

TOKENIZED_SHARE = 32
"""So many bytes that are only tokenized, and then cut off, take as long as one that is embedded."""

YIELD_SECONDS = 0.25
"""So much later than the one before is each piece of a list due. Meanwhile a list that has just
come goes first; one that has waited longer does not."""


class Embedder:
    """Sends short lists to Triton at once, joined, and long ones piece by piece.

    Args:
        triton: Where to.
    """

    def __init__(self, triton: InferenceClient) -> None:
        self._triton = triton
        self._joiner = MicroBatcher(triton)
        self._windows: defaultdict[str, SendWindow] = defaultdict(SendWindow)

    async def embed(
        self,
        model: ServedModel,
        inputs: Sequence[bytes],
        options: Options,
        on_answer: Callable[[], None],
    ) -> list[EmbeddingBatch]:
        """Embed `inputs` and return their vectors in order, in pieces.

        If this is cancelled, or a piece fails, pieces that were not sent are dropped. Those that
        were run to their end, which is waited for: a cancelled call can crash the Triton of the
        wheel, and whoever leaves keeps its place for as long as there is work for it.

        Args:
            model: The model to embed with.
            inputs: Texts, or token ids, as bytes.
            options: The request's options.
            on_answer: Called whenever Triton has answered, also with an error.

        Raises:
            ApiError: a piece failed.
        """
        window = self._windows[model.name]
        longest = BYTES_PER_TOKEN * model.spec.max_tokens
        sizes = [min(len(item), longest) + len(item) // TOKENIZED_SHARE for item in inputs]
        if len(inputs) == 1:
            window.expect_singles()
        if not window.passes(sizes, model.max_batch_size):
            return await self._in_pieces(model, inputs, sizes, options, on_answer)
        most = model.max_batch_size, window.piece_bytes
        answer = self._joiner.embed(model, inputs, options, sum(sizes), most)
        answer.add_done_callback(lambda _: on_answer())
        await _all_done([answer])
        return [answer.result()]

    async def _in_pieces(
        self,
        model: ServedModel,
        inputs: Sequence[bytes],
        sizes: Sequence[int],
        options: Options,
        on_answer: Callable[[], None],
    ) -> list[EmbeddingBatch]:
        window = self._windows[model.name]
        arrived = perf_counter()
        trace = self._triton.trace()
        pieces: list[asyncio.Task[EmbeddingBatch]] = []

        async def send_all() -> None:
            stop = 0
            while stop < len(inputs):
                start, due = stop, arrived + len(pieces) * YIELD_SECONDS
                stop = await window.enter(sizes, start, model.max_batch_size, due)
                pieces.append(asyncio.create_task(send(start, stop)))

        async def send(start: int, stop: int) -> EmbeddingBatch:
            sent = perf_counter()
            seconds = None
            try:
                embedded = await self._triton.embed(model, inputs[start:stop], options, trace)
                seconds = perf_counter() - sent
                return embedded
            except BaseException as error:
                # The rest may be waiting for its turn, and would change nothing.
                sending.cancel()
                if isinstance(error, InvalidRequest):
                    raise error.with_index(start, stop - start) from None
                raise
            finally:
                window.leave(sum(sizes[start:stop]), seconds)
                on_answer()

        sending = asyncio.create_task(send_all())
        try:
            await asyncio.wait([sending])
        finally:
            sending.cancel()
            await _all_done(pieces)
        embedded = [piece.result() for piece in pieces]
        sending.result()
        return embedded


async def _all_done(answers: Sequence[asyncio.Future[EmbeddingBatch]]) -> None:
    """Wait until there are all `answers`, even if this is cancelled meanwhile."""
    if not answers:
        return
    try:
        await asyncio.wait(answers)
    except asyncio.CancelledError:
        await asyncio.wait(answers)
        raise
    finally:
        for answer in answers:
            # Only the first failure is told; asyncio would log the others as forgotten.
            if answer.done() and not answer.cancelled():
                answer.exception()
