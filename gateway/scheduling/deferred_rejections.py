"""Large requests without a place, which wait for one before they are rejected."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from random import Random

from triton_embed.contract.errors import Unavailable
from triton_embed.gateway.scheduling.admission import AdmissionController, Permit
from triton_embed.gateway.scheduling.model_queue import MAX_SMALL_TOKENS
from triton_embed.gateway.triton.job import EmbedJob

MIN_DEFERRAL_SECONDS, MAX_DEFERRAL_SECONDS = 0.75, 1.0
"""Limits of the wait of a large request for a place, which is random, so that clients that were
rejected together do not stay in step: between their retries, the newest request would be old.
Clients that retry half a second after a rejection send about a third as many requests as without
the wait; their bodies take the encoder's cores. A longer wait would save little more, and delay
clients that have another server."""


class DeferredRejections:
    """Admits large requests as places become free, the newest first, and rejects the others late.

    The newest has waited least, so that the wait of admitted requests hardly grows: the oldest
    would be rejected soon ("adaptive LIFO", Maurer, "Fail at Scale", ACM Queue 13(8), 2015).

    Args:
        admission: Grants the places. All large requests must be admitted through this object.
    """

    def __init__(self, admission: AdmissionController) -> None:
        self._admission = admission
        self._random = Random()
        # The waiting requests of each model, the newest last.
        self._waiting: defaultdict[str, dict[asyncio.Future[bool], None]] = defaultdict(dict)

    @asynccontextmanager
    async def admit(self, job: EmbedJob, *, bulk: bool) -> AsyncIterator[Permit]:
        """Hold a place for `job` while in the block.

        Args:
            job: The request.
            bulk: Whether it is sent in chunks.

        Raises:
            Unavailable: the request is rejected; if it is large, after a while.
        """
        if job.tokens <= MAX_SMALL_TOKENS:
            with self._admission.admit(job, bulk=bulk) as permit:
                yield permit
            return
        try:
            with ExitStack() as place:
                yield await self._enter(place, job, bulk=bulk)
        finally:
            # Also after a cancellation. The limit of inputs is common to all models.
            for name in self._waiting:
                self._retry_newest(name)

    async def _enter(self, place: ExitStack, job: EmbedJob, *, bulk: bool) -> Permit:
        deferral = self._random.uniform(MIN_DEFERRAL_SECONDS, MAX_DEFERRAL_SECONDS)
        deadline = asyncio.get_running_loop().time() + deferral
        while True:
            try:
                permit = place.enter_context(self._admission.admit(job, bulk=bulk))
            except Unavailable:
                if not await self._wait(job.model.name, deadline):
                    raise
            else:
                self._retry_newest(job.model.name)
                return permit

    async def _wait(self, name: str, deadline: float) -> bool:
        """Wait until a place may be free; return ``False`` at the deadline."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting[name]
        retry: asyncio.Future[bool] = loop.create_future()
        waiting[retry] = None
        timer = loop.call_at(deadline, _finish, retry, False)
        try:
            return await retry
        finally:
            timer.cancel()
            waiting.pop(retry, None)

    def _retry_newest(self, name: str) -> None:
        waiting = self._waiting.get(name)
        if waiting:
            newest, _ = waiting.popitem()
            _finish(newest, True)


def _finish(retry: asyncio.Future[bool], may_be_free: bool) -> None:
    if not retry.done():
        retry.set_result(may_be_free)
