"""Joins the requests of one execution into the inputs of an ONNX model, as Triton's C++ side does.

Source: Triton's backend_input_collector.cc; the kinds are `BatchInput`'s in model_config.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shapes = Sequence[tuple[int, ...]]
"""The shape of one input in each request, batch dimension first."""


def _counts(shapes: Shapes) -> NDArray[np.int64]:
    return np.array([np.prod(shape) for shape in shapes], np.int64)


def _item_shapes(shapes: Shapes) -> NDArray[np.int64]:
    items = [shape[0] for shape in shapes]
    return np.repeat(np.array([shape[1:] for shape in shapes], np.int64), items, axis=0)


BATCH_INPUT_KINDS: dict[str, Callable[[Shapes], NDArray[np.int64]]] = {
    "BATCH_ELEMENT_COUNT": _counts,
    "BATCH_ACCUMULATED_ELEMENT_COUNT": lambda shapes: np.cumsum(_counts(shapes)),
    "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO": lambda shapes: np.cumsum([0, *_counts(shapes)]),
    "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE": lambda shapes: np.zeros(_counts(shapes).max(), np.int64),
    "BATCH_ITEM_SHAPE": _item_shapes,
    "BATCH_ITEM_SHAPE_FLATTEN": lambda shapes: _item_shapes(shapes).ravel(),
}


DTYPES: dict[str, np.dtype[Any]] = {
    "TYPE_INT32": np.dtype(np.int32),
    "TYPE_FP32": np.dtype(np.float32),
}
"""What Triton allows for a batch_input."""


@dataclass(frozen=True)
class BatchInput:
    """One ``batch_input`` of a configuration: a model input computed from the shapes of another."""

    kind: str
    target: str
    source: str
    dtype: np.dtype[Any]


class Batcher:
    """Builds an ONNX feed from the input tensors of several requests.

    Args:
        config: The model's configuration, as JSON.

    Raises:
        ValueError: the configuration asks for something this stand-in does not do.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        if config.get("batch_output"):
            raise ValueError("batch_output is not supported by the onnxruntime stand-in")
        self._ragged = {
            item["name"]: bool(item.get("allow_ragged_batch")) for item in config["input"]
        }
        self._batch_inputs = [
            BatchInput(
                kind=item["kind"],
                target=item["target_name"][0],
                source=item["source_input"][0],
                dtype=DTYPES[item["data_type"]],
            )
            for item in config.get("batch_input", [])
        ]

    @property
    def input_names(self) -> list[str]:
        """Names of the tensors that a request brings."""
        return list(self._ragged)

    def check(self, ranks: Mapping[str, int]) -> None:
        """Raise ValueError unless the model's inputs (name to rank) are those we will feed."""
        fed = {*self._ragged, *(item.target for item in self._batch_inputs)}
        if fed != set(ranks):
            raise ValueError(
                f"the model has inputs {sorted(ranks)}, its configuration gives {sorted(fed)}"
            )
        for name, ragged in self._ragged.items():
            if ragged and ranks[name] != 1:
                raise ValueError(f"ragged input '{name}' must have rank 1 in the model")

    def feed(self, tensors: Mapping[str, Sequence[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """Return the model's inputs for `tensors` (for each name, one array per request).

        Ragged inputs are flattened and joined end to end, others joined along the batch
        dimension.
        """
        feed = {
            name: _join([array.reshape(-1) if ragged else array for array in tensors[name]])
            for name, ragged in self._ragged.items()
        }
        for item in self._batch_inputs:
            shapes = [array.shape for array in tensors[item.source]]
            feed[item.target] = BATCH_INPUT_KINDS[item.kind](shapes).astype(item.dtype)
        return feed


def _join(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
