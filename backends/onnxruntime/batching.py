"""Joins the requests of one execution into the inputs of an ONNX model, as Triton's C++ code does.

Source: Triton's backend_input_collector.cc. Only BATCH_ITEM_SHAPE, the kind of `BatchInput` that
exported models use, is implemented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Batcher:
    """Builds an ONNX feed from the input tensors of several requests.

    Args:
        config: The model's configuration, as JSON.

    Raises:
        ValueError: the configuration needs a feature that this stand-in lacks.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        if config.get("batch_output"):
            raise ValueError("batch_output is not supported by the onnxruntime stand-in")
        self._ragged = {
            item["name"]: bool(item.get("allow_ragged_batch")) for item in config["input"]
        }
        self._shape_sources: dict[str, str] = {}
        for item in config.get("batch_input", []):
            if (item["kind"], item["data_type"]) != ("BATCH_ITEM_SHAPE", "TYPE_INT32"):
                raise ValueError(
                    f"batch_input of kind {item['kind']} and type {item['data_type']} is not "
                    "supported by the onnxruntime stand-in"
                )
            self._shape_sources[item["target_name"][0]] = item["source_input"][0]

    @property
    def input_names(self) -> list[str]:
        """Names of the tensors in a request."""
        return list(self._ragged)

    def check(self, ranks: Mapping[str, int]) -> None:
        """Check that the ONNX model has the inputs of the configuration.

        Args:
            ranks: Rank of each input of the ONNX model, by name.

        Raises:
            ValueError: an input is missing, unexpected or of another rank.
        """
        fed = self._ragged.keys() | self._shape_sources.keys()
        if fed != ranks.keys():
            raise ValueError(
                f"the model has inputs {sorted(ranks)}, its configuration gives {sorted(fed)}"
            )
        for name, ragged in self._ragged.items():
            if ragged and ranks[name] != 1:
                raise ValueError(f"ragged input '{name}' must have rank 1 in the model")

    def error(self, tensors: Mapping[str, NDArray[Any]]) -> str | None:
        """Return the reason to reject a request, or ``None``.

        If a tensor is empty, Triton's C++ code fills the inputs of the batch mates incorrectly.
        Triton has checked everything else.

        Args:
            tensors: The request's arrays by name, batch dimension first.
        """
        for name, array in tensors.items():
            if not array.size:
                return f"'{name}' of shape {list(array.shape)} is empty; send at least one element"
        return None

    def feed(self, tensors: Mapping[str, Sequence[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """Return the model's inputs for several requests.

        Ragged tensors are flattened and concatenated, others concatenated along the batch
        dimension.

        Args:
            tensors: For each name, the array of each request, batch dimension first.
        """
        feed = {
            name: _concatenate([array.reshape(-1) if ragged else array for array in tensors[name]])
            for name, ragged in self._ragged.items()
        }
        for name, source in self._shape_sources.items():
            feed[name] = _item_shapes([array.shape for array in tensors[source]])
        return feed


def _item_shapes(shapes: Sequence[tuple[int, ...]]) -> NDArray[np.int32]:
    """Return the shape of each item in requests of the given shapes, int32 [items, rank - 1]."""
    items = [shape[0] for shape in shapes]
    return np.repeat(np.array([shape[1:] for shape in shapes], np.int32), items, axis=0)


def _concatenate(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
