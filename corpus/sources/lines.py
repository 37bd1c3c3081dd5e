"""Lines of a text file, which may be compressed, in blocks."""

from __future__ import annotations

import io
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from triton_embed.corpus.sources.source import BLOCK_BYTES, BLOCK_ROWS, UnreadableFile

BUFFER_BYTES = 1 << 20
"""Bytes that are read from the file at a time."""

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""PyArrow's names of the compressions, by the end of a file's name."""


def decompressed(raw: pa.NativeFile, name: str) -> pa.NativeFile:
    """Return the content of the file `name`, opened as `raw`, which may be compressed."""
    compression = COMPRESSIONS.get(Path(name).suffix.lower())
    return pa.CompressedInputStream(raw, compression) if compression else raw


def share_read(raw: pa.NativeFile, size: int) -> float:
    """Return the share of a file of `size` bytes that has been read; 1 if it is closed."""
    return 1.0 if raw.closed or not size else float(raw.tell() / size)


class Lines:
    """A file of lines; blank lines are left out.

    Args:
        name: Its path.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._raw = pa.OSFile(name, "rb")
        self._size = self._raw.size()
        self._stream = decompressed(self._raw, name)

    @property
    def fraction(self) -> float:
        """The share of the file that has been read."""
        return share_read(self._raw, self._size)

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield lines without their ends, at most `BLOCK_ROWS` or about `BLOCK_BYTES` at a time.

        Raises:
            UnreadableFile: the file is damaged.
        """
        block: list[bytes] = []
        size = 0
        try:
            for number, line in enumerate(io.BufferedReader(self._stream, BUFFER_BYTES)):
                text = (line.removeprefix(BOM_UTF8) if number == 0 else line).rstrip(b"\r\n")
                if not text.strip():
                    continue
                block.append(text)
                size += len(text)
                if len(block) == BLOCK_ROWS or size >= BLOCK_BYTES:
                    yield block
                    block, size = [], 0
        except (OSError, ValueError) as error:
            raise UnreadableFile(f"'{self._name}' cannot be read: {error}") from error
        if block:
            yield block
