"""Paces the chunks of bulk requests, so that they do not delay other requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import perf_counter

from triton_embed.gateway.triton.job import EmbedJob

ROUND_TRIP_SECONDS = 0.05
"""Target for the round trip of a chunk while there are interactive requests, which wait about as
long."""

BULK_CHUNK_FACTOR = 16
"""Factor on the size of chunks, and on their round trip, while there are no interactive requests.
The encoder groups texts of similar length, and a large chunk has more of them."""

INTERACTIVE_HOLD_SECONDS = 10.0
"""Time after an interactive request during which others are likely, as when a person searches."""

MAX_INTERACTIVE_LIMITS = 2
"""Maximum cost of a single text that is sent immediately, in token limits of the model. Above it,
most of the cost is the tokenization of text that is then truncated, and other requests would
wait."""

FIRST_TOKENS, MIN_TOKENS, MAX_TOKENS = 512, 128, 1 << 18
"""Initial, minimum and maximum size of the window, in estimated tokens. The smallest chunk still
has a few short texts; the largest exceeds any request to Triton."""

MIN_SHRINK, MAX_GROWTH = 0.8, 1.25
"""Limits on the change of the window by one round trip, so that an outlier changes little."""


class SendWindow:
    """A congestion window: the estimated tokens of bulk requests that are at one model at a time.

    A chunk is half the window: one is being embedded while the next is on its way. The window
    grows while chunks return sooner than `ROUND_TRIP_SECONDS` and others wait, and shrinks while
    they return later. Must be made inside a running event loop.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._tokens = float(FIRST_TOKENS)
        self._bulk_only_from = clock()
        self._in_flight = 0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._next: asyncio.Future[None] | None = None

    @property
    def chunk_tokens(self) -> int:
        """Estimated tokens of the next chunk."""
        return int(self._tokens * self._factor() / 2)

    def note_interactive_request(self) -> None:
        """Keep chunks small for a while."""
        self._bulk_only_from = self._clock() + INTERACTIVE_HOLD_SECONDS

    def fits(self, job: EmbedJob) -> bool:
        """Return whether `job` is sent without a turn.

        A single input cannot be split, and fits unless it is a text far over the limit of its
        model. Images are decoded by processes of low priority, which do not delay other requests.
        """
        inputs = len(job.inputs)
        if inputs == 1 and job.has_images:
            return True
        if inputs == 1:
            return job.tokens <= MAX_INTERACTIVE_LIMITS * job.token_limit
        return inputs <= job.model.max_batch_size and job.tokens <= self._tokens / 2

    def _factor(self) -> int:
        return BULK_CHUNK_FACTOR if self._clock() >= self._bulk_only_from else 1

    async def acquire(self, job: EmbedJob, start: int, due: float) -> int:
        """Wait for a turn, then take the room of one chunk.

        Args:
            job: The bulk request.
            start: The first input of the chunk.
            due: Time that determines the order of the waiting chunks.

        Returns:
            The end of the chunk. `release` must be called when it has been embedded.
        """
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (due, next(self._numbers), turn))
        self._admit_next()
        try:
            await turn
            limit = self.chunk_tokens
            stop, tokens = start + 1, job.inputs[start].tokens
            last = min(len(job.inputs), start + job.model.max_batch_size)
            while stop < last and tokens + job.inputs[stop].tokens <= limit:
                tokens += job.inputs[stop].tokens
                stop += 1
            self._in_flight += tokens
            return stop
        finally:
            # Later, so that the request's next chunk is in line, too: it may be the first.
            if self._next is turn:
                asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._next = None
        self._admit_next()

    def release(self, tokens: int, seconds: float | None) -> None:
        """Give back the room of a chunk.

        Args:
            tokens: Estimated tokens of the chunk.
            seconds: Its round trip; ``None`` if it failed.
        """
        self._in_flight -= tokens
        # A chunk beyond the window is a single long text: a smaller window changes nothing.
        if seconds is not None and tokens <= self._tokens * self._factor():
            wanted = ROUND_TRIP_SECONDS * self._factor()
            # If no other chunk waits, the window is not the reason that chunks are small.
            max_growth = MAX_GROWTH if self._waiting else 1.0
            self._tokens *= min(max(wanted / seconds, MIN_SHRINK), max_growth)
            self._tokens = min(max(self._tokens, MIN_TOKENS), MAX_TOKENS)
        self._admit_next()

    def _admit_next(self) -> None:
        """Give the first in line its turn, if there is room and no other turn has begun."""
        while self._waiting and self._next is None and self._in_flight <= self.chunk_tokens:
            turn = heappop(self._waiting)[-1]
            if not turn.cancelled():
                self._next = turn
                turn.set_result(None)
