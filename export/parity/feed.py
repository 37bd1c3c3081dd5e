"""Ragged batches as Triton forms them from requests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triton_embed.contract import tensors

Row = Sequence[int]
"""The token ids of one text."""

Features = NDArray[np.float32]
"""The features of one item, float32 [rows, width]."""

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


def ragged_batch(
    requests: Sequence[Sequence[Row]], features: Sequence[Features] = ()
) -> dict[str, NDArray[np.generic]]:
    """Return the encoder's inputs for one execution.

    Each request's rows are padded to its longest; the rows of all requests lie end to end.

    Args:
        requests: The rows of each request.
        features: For an encoder that takes images, the features of each row.

    Returns:
        ``token_ids`` [flat], ``length`` [items, 1] and ``row_width`` [items, 1], all int32; with
        features, ``features`` float32 [values] and ``feature_shape`` int32 [items, 2], too.
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
    feed: dict[str, NDArray[np.generic]] = {
        tensors.TOKEN_IDS: np.array(flat, np.int32),
        tensors.LENGTH: np.array(lengths, np.int32)[:, None],
        tensors.ROW_WIDTH: np.array(widths, np.int32)[:, None],
    }
    if features:
        feed[tensors.FEATURES] = np.concatenate([each.reshape(-1) for each in features])
        feed[tensors.FEATURE_SHAPE] = np.array([each.shape for each in features], np.int32)
    return feed
