"""A list of any length embedded in many requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triton_embed.client.connection import Connection
from triton_embed.client.cutting import TokenEstimator, cut
from triton_embed.client.errors import InvalidResponse, RequestRejected, ServerFailed
from triton_embed.client.options import EmbedOptions

INPUT_STATUSES = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
"""Statuses that can be about a single input; any other is about the whole list."""

CONTROL = ("word", "word")
"""Texts that every model embeds: a check of the options and of the server. With a single text, our
server would keep chunks small for some seconds, as for a person who waits."""

INPUT_FIELDS = (None, "input", "modality")
"""Fields at fault that can be those of a single input."""

Report = Callable[[int, int], None]
"""Called with the inputs and the tokens of each response."""


def no_report(inputs: int, tokens: int) -> None:
    """Ignore a response; the `Report` of callers that show no progress."""


@dataclass
class Embedded:
    """The vectors of a list.

    Attributes:
        vectors: Vectors [inputs, width] in input order; the rows of rejected inputs are zeros.
            Width 0 if no input was embedded and the width is not known.
        rejected: Errors by position of the input.
        tokens: Tokens that the server processed.
    """

    vectors: NDArray[Any]
    rejected: dict[int, RequestRejected] = field(default_factory=dict)
    tokens: int = 0

    def store(self, positions: Sequence[int], rows: NDArray[Any], tokens: int) -> None:
        """Store the vectors of a response.

        Raises:
            InvalidResponse: they are longer or shorter than those before.
        """
        count, width = self.vectors.shape
        if not width:
            self.vectors = np.zeros((count, rows.shape[1]), rows.dtype)
        elif width != rows.shape[1]:
            raise InvalidResponse(
                f"the server returned vectors of length {rows.shape[1]} after vectors of length "
                f"{width}; the model was replaced"
            )
        self.vectors[list(positions)] = rows
        self.tokens += tokens


class Sender:
    """Embeds lists over one connection.

    Args:
        connection: The connection.
        options: Options of every request.
        estimator: Estimates the tokens of inputs.
        width: Length of the vectors; 0: the first response shows it.
    """

    def __init__(
        self,
        connection: Connection,
        options: EmbedOptions,
        estimator: TokenEstimator | None = None,
        width: int = 0,
    ) -> None:
        self._connection = connection
        self._options = options
        self._estimator = estimator or TokenEstimator()
        self._width = width
        self._is_checked = options.dtype == np.float32

    async def embed(
        self, inputs: Sequence[str], *, collect: bool = False, report: Report = no_report
    ) -> Embedded:
        """Embed a list.

        Args:
            inputs: Texts, or images as data URLs.
            collect: Whether rejected inputs are collected instead of ending the list.
            report: Called with the inputs and tokens of each response.

        Raises:
            RequestRejected: an input is rejected and `collect` is false, or an option is invalid.
            ServerUnavailable: the server does not respond within the time for retries.
            InvalidResponse: a response is malformed, has vectors of another length, or shows that
                the server ignores an option.
        """
        if inputs:
            await self._check_type()
        found = Embedded(np.zeros((len(inputs), self._width), self._options.dtype))

        async def send(positions: Sequence[int]) -> None:
            texts = [inputs[position] for position in positions]
            try:
                vectors = await self._connection.embed(self._options, texts)
            except RequestRejected as error:
                if not _is_about_input(error):
                    raise
                rest = _without_rejected(positions, error, found, collect=collect)
            except ServerFailed as error:
                if not collect:
                    raise
                rest = await self._without_failed(positions, error, found)
            else:
                self._estimator.learn(texts, vectors.tokens)
                found.store(positions, vectors.rows, vectors.tokens)
                report(len(positions), vectors.tokens)
                return
            middle = len(rest) // 2
            await gather(send(half) for half in (rest[:middle], rest[middle:]) if half)

        await gather(map(send, cut(inputs, self._estimator)))
        return found

    async def _check_type(self) -> None:
        """Check once that the elements are of the embedding type, which base64 does not show."""
        if not self._is_checked:
            await self._connection.embed(self._options, CONTROL, "float")
            self._is_checked = True

    async def _without_failed(
        self, positions: Sequence[int], error: ServerFailed, found: Embedded
    ) -> Sequence[int]:
        """Return the positions of a failed request to send again; a single one is rejected.

        Raises:
            ServerFailed: the server fails with other texts, too.
        """
        await self._connection.embed(self._options, CONTROL)
        if len(positions) > 1:
            return positions
        (at_fault,) = positions
        found.rejected[at_fault] = RequestRejected(
            str(error), status=HTTPStatus.INTERNAL_SERVER_ERROR, index=at_fault
        )
        return []


def _is_about_input(error: RequestRejected) -> bool:
    return error.status in INPUT_STATUSES and error.param in INPUT_FIELDS


def _without_rejected(
    positions: Sequence[int], error: RequestRejected, found: Embedded, *, collect: bool
) -> Sequence[int]:
    """Return the positions of a rejected request that may be valid, and record the others.

    Raises:
        RequestRejected: a position is rejected, and `collect` is false.
    """
    if len(positions) == 1:
        at_fault = positions[0]
    elif error.index is not None and error.index < len(positions):
        at_fault = positions[error.index]
    elif collect or error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return positions
    else:
        raise error
    if not collect:
        raise error.at(at_fault)
    found.rejected[at_fault] = error.at(at_fault)
    return [position for position in positions if position != at_fault]


async def gather(awaited: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines concurrently; the first error cancels the others and is raised."""
    tasks = [asyncio.ensure_future(each) for each in awaited]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
