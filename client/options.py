"""The options of a request, the same for all texts of a list."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

DTYPES: dict[str, DTypeLike] = {
    "float": np.float32,
    "int8": np.int8,
    "uint8": np.uint8,
    "binary": np.int8,
    "ubinary": np.uint8,
}
"""Elements of the returned vectors by embedding type; binary ones have eight bits in each."""


@dataclass(frozen=True)
class EmbedOptions:
    """Model and options, as in the body of ``POST /v1/embeddings``; ``None`` is not sent.

    Attributes:
        model: The model id.
        input_type: ``query`` or ``passage``; required by asymmetric models.
        truncate: ``NONE`` (a long text is an error), ``START`` or ``END``.
        dimensions: Length of the vectors, for Matryoshka models.
        embedding_type: A key of `DTYPES`; ``None`` is ``float``.

    Raises:
        ValueError: the embedding type is unknown.
    """

    model: str
    input_type: str | None = None
    truncate: str | None = None
    dimensions: int | None = None
    embedding_type: str | None = None

    def __post_init__(self) -> None:
        if (self.embedding_type or "float") not in DTYPES:
            raise ValueError(f"embedding_type must be one of {', '.join(DTYPES)}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements of the returned vectors."""
        return np.dtype(DTYPES[self.embedding_type or "float"])

    @property
    def width(self) -> int | None:
        """Elements of the returned vectors; ``None``: those of the model."""
        if self.dimensions is None:
            return None
        is_packed = self.embedding_type in ("binary", "ubinary")
        return ceil(self.dimensions / 8) if is_packed else self.dimensions

    def fields(self) -> dict[str, str | int]:
        """Return the fields of the request, without the input."""
        names = ("model", "input_type", "truncate", "dimensions", "embedding_type")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}
