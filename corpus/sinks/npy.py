"""NumPy's format, for vectors without their ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from triton_embed.corpus.sinks.sink import VectorColumn


class NpySink:
    """A file with the array [rows, width] in C order.

    The number of rows is in the header: the header is written again at the end, with equal length.

    Args:
        path: The file.
        column: The column of the vectors.
    """

    def __init__(self, path: Path, column: VectorColumn) -> None:
        self._file = path.open("wb")
        self._rows = self._width = 0
        self._dtype = np.dtype(np.float32)

    def write(self, table: pa.Table, vectors: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Write rows; see `Sink.write`."""
        if not self._width:
            self._width, self._dtype = vectors.shape[1], vectors.dtype
            self._write_header()
        self._rows += len(vectors)
        self._file.write(np.ascontiguousarray(vectors).data)

    def _write_header(self) -> None:
        header = {
            "descr": npy.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, self._width),
        }
        npy.write_array_header_1_0(self._file, header)

    def close(self) -> None:
        """Write the number of rows, and close the file."""
        self._file.seek(0)
        self._write_header()
        self._file.close()
