from __future__ import annotations

import numpy as np
import pytest

from benchmarks import retrieval


def test_quality_of_perfect_search_is_one() -> None:
    vectors = np.eye(20, dtype=np.float32)
    assert retrieval.quality(vectors, vectors) == retrieval.Quality(1.0, 1.0)


def test_second_place_halves_gain_on_log_scale() -> None:
    queries = np.eye(20, dtype=np.float32)
    passages = queries + 2 * np.roll(queries, 1, axis=0)
    found = retrieval.quality(queries, passages)
    assert found.recall == 1.0
    assert found.ndcg == pytest.approx(1 / np.log2(3))


def test_signs_of_bits_order_passages_by_hamming_distance() -> None:
    packed = np.array([[0b11110000], [0b11111111], [0b00001111]], np.uint8)
    signs = retrieval.comparable(packed, "ubinary")
    assert (signs @ signs[0]).tolist() == [8, 0, -8]
