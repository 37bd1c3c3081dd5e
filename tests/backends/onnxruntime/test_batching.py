from __future__ import annotations

import numpy as np
import pytest

from triton_embed.backends.onnxruntime.batching import Batcher


def config(kind: str = "BATCH_ITEM_SHAPE") -> dict[str, object]:
    return {
        "input": [{"name": "ids", "allow_ragged_batch": True}, {"name": "length"}],
        "batch_input": [
            {
                "kind": kind,
                "target_name": ["shape"],
                "source_input": ["ids"],
                "data_type": "TYPE_INT32",
            }
        ],
    }


def test_ragged_inputs_are_concatenated_and_have_the_shape_of_each_item() -> None:
    feed = Batcher(config()).feed(
        {
            "ids": [np.arange(6).reshape(2, 3), np.arange(10, 15).reshape(1, 5)],
            "length": [np.array([[1], [2]]), np.array([[3]])],
        }
    )
    assert feed["shape"].tolist() == [[3], [3], [5]]
    assert feed["shape"].dtype == np.int32
    assert feed["ids"].tolist() == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14]
    assert feed["length"].tolist() == [[1], [2], [3]]


def test_inputs_that_are_not_ragged_keep_their_shape() -> None:
    batcher = Batcher({"input": [{"name": "x"}]})
    feed = batcher.feed({"x": [np.zeros((2, 4)), np.ones((1, 4))]})
    assert feed["x"].shape == (3, 4)


def test_request_without_elements_is_rejected_with_its_shape() -> None:
    batcher = Batcher(config())
    length = np.ones((2, 1), np.int32)
    assert batcher.error({"ids": np.ones((2, 3), np.int32), "length": length}) is None
    error = batcher.error({"ids": np.ones((2, 0), np.int32), "length": length})
    assert error == "'ids' of shape [2, 0] is empty; send at least one element"


def test_model_that_does_not_fit_its_configuration_is_rejected() -> None:
    batcher = Batcher(config())
    batcher.check({"ids": 1, "length": 2, "shape": 2})
    with pytest.raises(ValueError, match="'mask'"):
        batcher.check({"ids": 1, "length": 2, "shape": 2, "mask": 2})
    with pytest.raises(ValueError, match="'ids' must have rank 1"):
        batcher.check({"ids": 2, "length": 2, "shape": 2})


def test_features_that_exports_do_not_use_are_rejected() -> None:
    with pytest.raises(ValueError, match="batch_input of kind BATCH_ELEMENT_COUNT"):
        Batcher(config("BATCH_ELEMENT_COUNT"))
    with pytest.raises(ValueError, match="batch_output"):
        Batcher({"input": [], "batch_output": [{}]})
