"""Files of values separated by commas or tabs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as csv

from triton_embed.corpus.sources.lines import decompressed, share_read
from triton_embed.corpus.sources.source import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    IsWanted,
    Rows,
    UnreadableFile,
)


class CsvSource:
    """A file with the names of the columns in its first line; quoted values may have line ends.

    All columns are strings: CSV has no types, and an id such as ``007``, or one of 20 digits, would
    be another id as a number. A value without quotes and characters is null. A row has at most
    `BLOCK_BYTES`.

    Args:
        name: Its path.
        delimiter: The character between two values.

    Raises:
        ValueError: it is malformed.
    """

    def __init__(self, name: str, delimiter: str) -> None:
        self._name = name
        self._delimiter = delimiter
        self._raw = pa.OSFile(name, "rb")
        self._size = self._raw.size()
        with self._open() as reader:
            names = reader.schema.names
        self._schema = pa.schema([(name, pa.string()) for name in names])

    def _open(self, columns: Sequence[str] = ()) -> csv.CSVStreamingReader:
        self._raw = pa.OSFile(self._name, "rb")
        return csv.open_csv(
            decompressed(self._raw, self._name),
            csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            csv.ConvertOptions(
                column_types={name: pa.string() for name in columns},
                include_columns=columns,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file."""
        return self._schema

    @property
    def fraction(self) -> float:
        """The share of the file that has been read."""
        return share_read(self._raw, self._size)

    def rows(self, columns: Sequence[str], is_wanted: IsWanted) -> Iterator[Rows]:
        """Yield the rows; see `Source.rows`."""
        start = 0
        try:
            for batch in self._open(columns):
                for offset in range(0, len(batch), BLOCK_ROWS):
                    block = batch.slice(offset, BLOCK_ROWS)
                    if is_wanted(start, start + len(block)):
                        yield Rows(start, pa.Table.from_batches([block]))
                    start += len(block)
        except (OSError, ValueError) as error:
            place = f"'{self._name}' after row {start}"
            raise UnreadableFile(f"{place} cannot be read: {error}") from error
