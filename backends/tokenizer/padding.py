"""The token ids of several texts as one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray


def pack(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return `rows` concatenated in a matrix that is padded only at its end.

    With padding in each row, one long text would make the matrix of many short texts huge.

    Returns:
        Token ids, int32 [n, L], and lengths, int32 [n, 1].
    """
    lengths = [len(row) for row in rows]
    width = -(-sum(lengths) // len(rows))
    packed = np.zeros(len(rows) * width, np.int32)
    packed[: sum(lengths)] = np.fromiter(chain.from_iterable(rows), np.int32, sum(lengths))
    return packed.reshape(len(rows), width), np.array(lengths, np.int32)[:, None]


def pad(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return `rows` as one matrix, padded with zeros to the longest, and their lengths.

    Returns:
        Token ids, int32 [n, L], and lengths, int32 [n, 1].
    """
    lengths = [len(row) for row in rows]
    width = max(lengths)
    padded = [[*row, *[0] * (width - length)] for row, length in zip(rows, lengths, strict=True)]
    return np.array(padded, np.int32), np.array(lengths, np.int32)[:, None]
