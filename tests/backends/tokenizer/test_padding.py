from __future__ import annotations

import numpy as np

from triton_embed.backends.tokenizer.padding import pad


def test_rows_are_padded_to_the_longest() -> None:
    token_ids, lengths = pad([[1, 2, 3], [4]])
    assert token_ids.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert lengths.tolist() == [[3], [1]]
    assert token_ids.dtype == lengths.dtype == np.int32
