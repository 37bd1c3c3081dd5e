"""Large requests without a place, which wait for one before they are rejected."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from triton_embed.contract.errors import Unavailable
from triton_embed.gateway.scheduling.admission import AdmissionController, Permit
from triton_embed.gateway.scheduling.model_queue import MAX_SMALL_TOKENS
from triton_embed.gateway.triton.job import EmbedJob

MAX_DEFERRAL_SECONDS = 1.0
"""Maximum wait of a large request for a place: the default of `max_queue_seconds`. It is not
random: clients that come back together disturb the encoder less often."""

REJECTION_DELAY_SECONDS = 0.5
"""Time from the last chance of a place to the rejection. Clients that retry half a second after a
rejection then send a quarter as many requests as if they were rejected at once; their bodies take
the encoder's cores. A longer time would delay clients that have another server."""


class DeferredRejections:
    """Admits large requests as places become free, the newest first, and rejects the others late.

    The newest has waited least, so that the wait of admitted requests hardly grows: the oldest
    would be rejected soon ("adaptive LIFO", Maurer, "Fail at Scale", ACM Queue 13(8), 2015).

    Args:
        admission: Grants the places. All large requests must be admitted through this object.
    """

    def __init__(self, admission: AdmissionController) -> None:
        self._admission = admission
        # The waiting requests of each model, the newest last.
        self._waiting: defaultdict[str, dict[asyncio.Future[bool], None]] = defaultdict(dict)

    @asynccontextmanager
    async def admit(self, job: EmbedJob, *, bulk: bool) -> AsyncIterator[Permit]:
        """Hold a place for `job` while in the block.

        Args:
            job: The request.
            bulk: Whether it is sent in chunks.

        Raises:
            Unavailable: the request is rejected; if it is large, after a delay.
        """
        if job.tokens <= MAX_SMALL_TOKENS:
            with self._admission.admit(job, bulk=bulk) as permit:
                yield permit
            return
        place = ExitStack()
        permit = await self._enter(place, job, bulk=bulk)
        try:
            yield permit
        finally:
            place.close()
            # The limit of inputs is common to all models.
            for name in self._waiting:
                self._retry_newest(name)

    async def _enter(self, place: ExitStack, job: EmbedJob, *, bulk: bool) -> Permit:
        deadline = asyncio.get_running_loop().time() + MAX_DEFERRAL_SECONDS
        while True:
            try:
                permit = place.enter_context(self._admission.admit(job, bulk=bulk))
            except Unavailable:
                if not await self._wait(job.model.name, deadline):
                    await asyncio.sleep(REJECTION_DELAY_SECONDS)
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
        timer = loop.call_at(deadline, _expire, retry)
        try:
            return await retry
        except asyncio.CancelledError:
            if retry.done() and not retry.cancelled():
                self._retry_newest(name)
            raise
        finally:
            timer.cancel()
            waiting.pop(retry, None)

    def _retry_newest(self, name: str) -> None:
        waiting = self._waiting.get(name)
        while waiting:
            newest, _ = waiting.popitem()
            if not newest.done():
                newest.set_result(True)
                return


def _expire(retry: asyncio.Future[bool]) -> None:
    if not retry.done():
        retry.set_result(False)
