"""The ONNX encoder protects the requests in a batch from each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="module")
def session(tiny_repository: Path) -> onnxruntime.InferenceSession:
    path = tiny_repository / "tiny_encoder" / "1" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def embed(
    session: onnxruntime.InferenceSession,
    rows: list[list[int]],
    lengths: list[int] | None = None,
) -> NDArray[np.float32]:
    feed = {
        "token_ids": np.array([token for row in rows for token in row], np.int32),
        "length": np.array([lengths or [len(row) for row in rows]], np.int32).T,
        "row_width": np.array([[len(row) for row in rows]], np.int32).T,
    }
    result: NDArray[np.float32] = session.run(["embeddings"], feed)[0]
    return result


def test_order_is_kept_whatever_the_lengths(session: onnxruntime.InferenceSession) -> None:
    generator = np.random.default_rng(0)
    rows = [generator.integers(1000, 30000, size).tolist() for size in (9, 2, 64, 1, 33, 2)]
    alone = np.concatenate([embed(session, [row]) for row in rows])
    assert np.abs(embed(session, rows) - alone).max() < 1e-5


def test_more_tokens_than_one_group_holds_are_embedded_in_several(
    session: onnxruntime.InferenceSession,
) -> None:
    generator = np.random.default_rng(1)
    rows = [generator.integers(1000, 30000, 60).tolist() for _ in range(64)]
    assert np.abs(embed(session, rows)[-1:] - embed(session, rows[-1:])).max() < 1e-5


@pytest.mark.parametrize("length", [-5, 0, 1000])
def test_a_length_out_of_range_changes_no_neighbour(
    session: onnxruntime.InferenceSession, length: int
) -> None:
    rows = [[101, 2000, 102], [101, 3000, 4000, 102], [101, 102]]
    together = embed(session, rows, [3, length, 2])
    assert np.isfinite(together).all()
    assert np.abs(together[0] - embed(session, rows[:1])[0]).max() < 1e-5
    assert np.abs(together[2] - embed(session, rows[2:])[0]).max() < 1e-5


def test_an_id_outside_the_vocabulary_changes_no_neighbour(
    session: onnxruntime.InferenceSession,
) -> None:
    rows = [[101, 2000, 102], [-7, 99999999], [101, 102]]
    together = embed(session, rows)
    assert np.abs(together[0] - embed(session, rows[:1])[0]).max() < 1e-5
    assert np.abs(together[2] - embed(session, rows[2:])[0]).max() < 1e-5
