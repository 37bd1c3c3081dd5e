"""Padding of the token ids of several texts to one matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pad(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return `rows` as one matrix, padded with zeros to the longest, and their lengths.

    Returns:
        Token ids, int32 [n, L], and lengths, int32 [n, 1].
    """
    lengths = [len(row) for row in rows]
    width = max(lengths)
    padded = [[*row, *[0] * (width - length)] for row, length in zip(rows, lengths, strict=True)]
    return np.array(padded, np.int32), np.array(lengths, np.int32)[:, None]
