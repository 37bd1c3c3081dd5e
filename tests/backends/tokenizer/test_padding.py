from __future__ import annotations

import numpy as np

from triton_embed.backends.tokenizer.padding import pack, pad


def test_rows_are_padded_to_the_longest() -> None:
    token_ids, lengths = pad([[1, 2, 3], [4]])
    assert token_ids.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert lengths.tolist() == [[3], [1]]
    assert token_ids.dtype == lengths.dtype == np.int32


def test_packed_rows_follow_one_another() -> None:
    token_ids, lengths = pack([[1, 2, 3, 4, 5], [6], [7]])
    assert token_ids.tolist() == [[1, 2, 3], [4, 5, 6], [7, 0, 0]]
    assert lengths.tolist() == [[5], [1], [1]]
    assert token_ids.dtype == lengths.dtype == np.int32


def test_packed_rows_take_no_more_than_their_tokens() -> None:
    token_ids, _ = pack([[1] * 1000, *[[1]] * 99])
    assert token_ids.size < 1200
