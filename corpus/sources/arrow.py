"""Arrow files and streams, by record batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from triton_embed.corpus.sources.lines import decompressed, share_read
from triton_embed.corpus.sources.source import BLOCK_ROWS, IsWanted, Rows, UnreadableFile


class ArrowSource:
    """A file in Arrow's file format, also called Feather, or in its stream format.

    Args:
        name: Its path. A compressed file must be in the stream format.

    Raises:
        ValueError: it is in neither format.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._size = 0
        self._file: pa.ipc.RecordBatchFileReader | None = None
        try:
            self._file = pa.ipc.open_file(pa.memory_map(name))
        except pa.ArrowInvalid:
            raw = pa.OSFile(name)
            self._size = raw.size()
            self._raw = raw
            self._stream = pa.ipc.open_stream(decompressed(raw, name))
        self._read = 0.0

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file."""
        return self._stream.schema if self._file is None else self._file.schema

    @property
    def fraction(self) -> float:
        """The share of the file that has been read."""
        return self._read

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self._file is not None:
            count = self._file.num_record_batches
            for index in range(count):
                yield self._file.get_batch(index)
                self._read = (index + 1) / count
        else:
            for batch in self._stream:
                yield batch
                self._read = share_read(self._raw, self._size)
            self._read = 1.0

    def rows(self, columns: Sequence[str], is_wanted: IsWanted) -> Iterator[Rows]:
        """Yield the rows; see `Source.rows`."""
        start = 0
        try:
            for batch in self._batches():
                for offset in range(0, len(batch), BLOCK_ROWS):
                    block = batch.slice(offset, BLOCK_ROWS)
                    if is_wanted(start, start + len(block)):
                        yield Rows(start, pa.Table.from_batches([block]).select(list(columns)))
                    start += len(block)
        except (OSError, ValueError) as error:
            raise UnreadableFile(f"'{self._name}' cannot be read: {error}") from error
