"""Parquet: vectors as a plain ``fixed_size_list``, or as ``list`` if some may be null.

Extension types, as some engines write them, can be read by those engines only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triton_embed.corpus.sinks.sink import VectorColumn

GROUP_BYTES = 32 << 20
"""Bytes of a row group, kept columns included: few groups, and each fits into the memory of any
reader."""

METADATA_KEY = "triton_embed"
"""Key of the file's metadata; its value is JSON with the properties of the vectors."""


class ParquetSink:
    """A Parquet file with zstd, and with byte stream split for float vectors.

    Dictionaries, the default of Parquet, would make vectors larger.

    Args:
        path: The file.
        column: The column of the vectors.
    """

    def __init__(self, path: Path, column: VectorColumn) -> None:
        self._path = path
        self._column = column.name
        self._is_nullable = column.is_nullable
        self._metadata = {METADATA_KEY: json.dumps(dict(column.properties))}
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._bytes = 0

    def write(self, table: pa.Table, vectors: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Write rows; see `Sink.write`."""
        flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
        mask = None if valid.all() else pa.array(~valid)
        rows = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=mask)
        if self._is_nullable:
            # PyArrow before 26 cannot read null: https://github.com/apache/arrow/issues/35692
            rows = rows.cast(pa.list_(flat.type))
        self._waiting.append(table.append_column(self._column, rows))
        self._bytes += table.nbytes + vectors.nbytes
        if self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting)
        self._waiting, self._bytes = [], 0
        if self._writer is None:
            schema = table.schema.with_metadata(self._metadata)
            element = schema.field(self._column).type.value_type
            encoding = "BYTE_STREAM_SPLIT" if pa.types.is_floating(element) else "PLAIN"
            self._writer = pq.ParquetWriter(
                self._path,
                schema,
                compression="zstd",
                use_dictionary=[name for name in schema.names if name != self._column],
                column_encoding={f"{self._column}.list.element": encoding},
            )
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))

    def close(self) -> None:
        """Write the last row group."""
        if self._waiting:
            self._flush()
        assert self._writer is not None, "a part has at least one window"
        self._writer.close()
