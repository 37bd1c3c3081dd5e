"""The interface of input formats, and the rows that they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

BLOCK_ROWS = 4096
"""Maximum rows that are read at a time."""

BLOCK_BYTES = 8 << 20
"""Bytes of lines, or of rows of a Parquet file, that are read at a time."""

IsWanted = Callable[[int, int], bool]
"""Returns whether any row from the first number up to, but not including, the second is wanted."""


class UnreadableFile(Exception):
    """A file is damaged, or a column changes its type; the message names the place."""


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a file.

    Attributes:
        start: Number of the first row in the file, from 0.
        table: The columns that were requested.
        problems: Reasons why rows cannot be embedded, by position in `table`.
    """

    start: int
    table: pa.Table
    problems: dict[int, str] = field(default_factory=dict)

    def slice(self, start: int, stop: int) -> Rows:
        """Return the rows from position `start` up to `stop`."""
        problems = {at - start: why for at, why in self.problems.items() if start <= at < stop}
        return Rows(self.start + start, self.table.slice(start, stop - start), problems)


class Source(Protocol):
    """An opened file."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file."""

    @property
    def fraction(self) -> float:
        """The share of the file that has been read, from 0 to 1."""

    def rows(self, columns: Sequence[str], is_wanted: IsWanted) -> Iterator[Rows]:
        """Yield the rows in order, at most `BLOCK_ROWS` at a time.

        Rows that are not wanted may be left out.

        Raises:
            UnreadableFile: the file is damaged.
        """
