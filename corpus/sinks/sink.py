"""The interface of output formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class VectorColumn:
    """The column of the vectors.

    Attributes:
        name: Its name, for formats that have one.
        is_nullable: Whether rows without a vector are written.
        properties: Model and options, for formats with a place for them.
    """

    name: str = "embedding"
    is_nullable: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)


class Sink(Protocol):
    """One part of the output, which is written from its first row to its last."""

    def write(self, table: pa.Table, vectors: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Write rows.

        Args:
            table: The ids, as column ``id``, and the columns to keep.
            vectors: Vectors [rows, width].
            valid: Whether each row has a vector; the others are written with null.
        """

    def close(self) -> None:
        """Write the remaining rows, and close the file."""
