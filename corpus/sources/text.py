"""Plain text: each line is a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from triton_embed.corpus.sources.lines import Lines
from triton_embed.corpus.sources.source import IsWanted, Rows

SCHEMA = pa.schema([("text", pa.string())])


class TextSource:
    """A file of texts, one in each line; blank lines are not rows.

    Args:
        name: Its path.
    """

    def __init__(self, name: str) -> None:
        self._lines = Lines(name)

    @property
    def schema(self) -> pa.Schema:
        """The column ``text``."""
        return SCHEMA

    @property
    def fraction(self) -> float:
        """The share of the file that has been read."""
        return self._lines.fraction

    def rows(self, columns: Sequence[str], is_wanted: IsWanted) -> Iterator[Rows]:
        """Yield the rows; see `Source.rows`."""
        start = 0
        for block in self._lines.blocks():
            if is_wanted(start, start + len(block)):
                problems, texts = {}, []
                for position, line in enumerate(block):
                    try:
                        texts.append(line.decode())
                    except UnicodeDecodeError as error:
                        problems[position] = f"the text is not UTF-8: {error}"
                        texts.append("")
                yield Rows(start, pa.table([texts], SCHEMA).select(list(columns)), problems)
            start += len(block)
