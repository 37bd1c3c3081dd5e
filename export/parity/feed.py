"""Ragged batches as Triton forms them from requests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triton_embed.contract import tensors

Row = Sequence[int]
"""The token ids of one text."""

MAX_ROWS_PER_REQUEST = 5
"""Rows of the largest request that `as_requests` makes; its rows are padded to the longest."""


def as_requests(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Return `rows` as consecutive requests of 1 to `MAX_ROWS_PER_REQUEST` rows."""
    requests: list[Sequence[Row]] = []
    start = 0
    while start < len(rows):
        stop = start + 1 + len(requests) % MAX_ROWS_PER_REQUEST
        requests.append(rows[start:stop])
        start = stop
    return requests


def ragged_batch(requests: Sequence[Sequence[Row]]) -> dict[str, NDArray[np.int32]]:
    """Return the encoder's inputs for one execution.

    Each request's rows are padded to its longest; the rows of all requests lie end to end.

    Returns:
        ``token_ids`` [flat], ``length`` [items, 1] and ``row_width`` [items, 1], all int32.
    """
    flat: list[int] = []
    lengths: list[int] = []
    widths: list[int] = []
    for rows in requests:
        width = max(map(len, rows))
        for row in rows:
            flat.extend((*row, *[0] * (width - len(row))))
            lengths.append(len(row))
            widths.append(width)
    return {
        tensors.TOKEN_IDS: np.array(flat, np.int32),
        tensors.LENGTH: np.array(lengths, np.int32)[:, None],
        tensors.ROW_WIDTH: np.array(widths, np.int32)[:, None],
    }
