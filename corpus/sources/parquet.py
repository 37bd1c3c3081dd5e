"""Parquet files, by row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from triton_embed.corpus.sources.source import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    IsWanted,
    Rows,
    UnreadableFile,
)

BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at a time: a row group may be larger than the memory."""


class ParquetSource:
    """A Parquet file.

    Args:
        name: Its path.

    Raises:
        ValueError: it is not a Parquet file.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._file = pq.ParquetFile(name, buffer_size=BUFFER_BYTES, pre_buffer=False)
        self._read = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file."""
        return self._file.schema_arrow

    @property
    def fraction(self) -> float:
        """The share of the rows that have been read."""
        return self._read / max(self._file.metadata.num_rows, 1)

    def rows(self, columns: Sequence[str], is_wanted: IsWanted) -> Iterator[Rows]:
        """Yield the rows of the row groups that are wanted; see `Source.rows`."""
        for group in range(self._file.num_row_groups):
            start = self._read
            end = start + self._file.metadata.row_group(group).num_rows
            if is_wanted(start, end):
                yield from self._group(group, start, columns)
            self._read = end

    def _group(self, group: int, start: int, columns: Sequence[str]) -> Iterator[Rows]:
        try:
            rows = self._block_rows(group, columns)
            for batch in self._file.iter_batches(rows, [group], list(columns)):
                yield Rows(start, pa.Table.from_batches([batch]))
                start += len(batch)
                self._read = start
        except (OSError, ValueError) as error:
            place = f"row group {group} of '{self._name}'"
            raise UnreadableFile(f"{place} cannot be read: {error}") from error

    def _block_rows(self, group: int, columns: Sequence[str]) -> int:
        """Return the rows of a block: fewer if documents or images make them large."""
        metadata = self._file.metadata.row_group(group)
        chunks = [metadata.column(index) for index in range(metadata.num_columns)]
        size = sum(
            chunk.total_uncompressed_size
            for chunk in chunks
            if chunk.path_in_schema.split(".")[0] in columns
        )
        return min(max(BLOCK_BYTES * metadata.num_rows // max(size, 1), 1), BLOCK_ROWS)
