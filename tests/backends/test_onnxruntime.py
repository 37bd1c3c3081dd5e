from __future__ import annotations

import numpy as np
import pytest

from triton_embed.backends.onnxruntime.batching import Batcher

SHAPES = [(2, 3), (1, 5)]

EXPECTED = {
    "BATCH_ELEMENT_COUNT": [6, 5],
    "BATCH_ACCUMULATED_ELEMENT_COUNT": [6, 11],
    "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO": [0, 6, 11],
    "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE": [0] * 6,
    "BATCH_ITEM_SHAPE": [[3], [3], [5]],
    "BATCH_ITEM_SHAPE_FLATTEN": [3, 3, 5],
}


def config(kind: str, *, ragged: bool = True) -> dict[str, object]:
    return {
        "input": [{"name": "ids", "allow_ragged_batch": ragged}, {"name": "length"}],
        "batch_input": [
            {
                "kind": kind,
                "target_name": ["shape"],
                "source_input": ["ids"],
                "data_type": "TYPE_INT32",
            }
        ],
    }


@pytest.mark.parametrize("kind", EXPECTED)
def test_batch_inputs_are_computed_as_triton_documents(kind: str) -> None:
    feed = Batcher(config(kind)).feed(
        {
            "ids": [np.arange(6).reshape(2, 3), np.arange(10, 15).reshape(1, 5)],
            "length": [np.array([[1], [2]]), np.array([[3]])],
        }
    )
    assert feed["shape"].tolist() == EXPECTED[kind]
    assert feed["shape"].dtype == np.int32
    assert feed["ids"].tolist() == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14]
    assert feed["length"].tolist() == [[1], [2], [3]]


def test_inputs_that_are_not_ragged_keep_their_shape() -> None:
    batcher = Batcher({"input": [{"name": "x"}]})
    feed = batcher.feed({"x": [np.zeros((2, 4)), np.ones((1, 4))]})
    assert feed["x"].shape == (3, 4)


def test_a_model_that_does_not_fit_its_configuration_is_refused() -> None:
    batcher = Batcher(config("BATCH_ITEM_SHAPE"))
    batcher.check({"ids": 1, "length": 2, "shape": 2})
    with pytest.raises(ValueError, match="'mask'"):
        batcher.check({"ids": 1, "length": 2, "shape": 2, "mask": 2})
    with pytest.raises(ValueError, match="'ids' must have rank 1"):
        batcher.check({"ids": 2, "length": 2, "shape": 2})
    with pytest.raises(ValueError, match="batch_output"):
        Batcher({"input": [], "batch_output": [{}]})
