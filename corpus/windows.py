"""The input files as parts, and parts as windows: the rows that are sent and written together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from triton_embed.corpus.columns import Columns, choose
from triton_embed.corpus.errors import UsageProblem
from triton_embed.corpus.images import UnusableImage, data_url
from triton_embed.corpus.inputs import InputFile
from triton_embed.corpus.job import ColumnOptions
from triton_embed.corpus.sources import open_source
from triton_embed.corpus.sources.source import Rows, UnreadableFile

WINDOW_BYTES = 8 << 20
"""Bytes of the rows of a window; bounds the memory if texts are long."""

IMAGE_WINDOW_ROWS = 32
"""Rows of a window with images, whose files may have megabytes."""


@dataclass(frozen=True, order=True)
class Part:
    """Consecutive rows of one input file, and the output file with their vectors.

    Attributes:
        file: Number of the input file, from 0.
        slice: Number of the part in the file, from 0.
    """

    file: int
    slice: int

    @property
    def name(self) -> str:
        """The name of the output file, without its end."""
        return f"part-{self.file:05d}-{self.slice:05d}"

    @property
    def number(self) -> int:
        """Decides on the shard: parts of one file, and small files, are spread over all shards."""
        return self.file + self.slice


@dataclass(frozen=True)
class Window:
    """Rows of a part.

    Attributes:
        part: The part.
        file: Name of the input file.
        rows: The rows; its problems include those of texts and images.
        columns: The columns of the file.
        inputs: The inputs to send, by position in `rows`; empty if the row has a problem.
    """

    part: Part
    file: str
    rows: Rows
    columns: Columns
    inputs: Sequence[str]


@dataclass(frozen=True)
class EndOfPart:
    """All windows of a part have been yielded.

    Attributes:
        part: The part.
        file: Name of the input file.
    """

    part: Part
    file: str


class Reader:
    """Reads the input files window by window.

    Args:
        files: The input files.
        options: The user's options about columns.
        part_rows: Rows of each part.
        is_wanted: Returns whether a part is to be embedded.
        report: Called with the share of the bytes of all files that has been read.
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        options: ColumnOptions,
        part_rows: int,
        is_wanted: Callable[[Part], bool],
        report: Callable[[float], None] = lambda fraction: None,
    ) -> None:
        self._files = files
        self._options = options
        self._part_rows = part_rows
        self._is_wanted = is_wanted
        self._report = report

    def check(self) -> None:
        """Open all files, and choose their columns.

        Raises:
            UsageProblem: a file is damaged, or a column is missing.
        """
        for file in self._files:
            try:
                choose(open_source(file).schema, self._options, file.name)
            except UnreadableFile as error:
                raise UsageProblem(str(error)) from error

    def read(self) -> Iterator[Window | EndOfPart]:
        """Yield the windows of wanted parts in order, and the end of each part.

        Raises:
            UsageProblem: a file is damaged, or was changed.
        """
        total = max(sum(file.size for file in self._files), 1)
        done = 0
        for index, file in enumerate(self._files):
            try:
                for item, fraction in self._file(index, file):
                    self._report((done + fraction * file.size) / total)
                    yield item
            except UnreadableFile as error:
                raise UsageProblem(str(error)) from error
            done += file.size
        self._report(1.0)

    def _file(self, index: int, file: InputFile) -> Iterator[tuple[Window | EndOfPart, float]]:
        def is_any_wanted(start: int, stop: int) -> bool:
            slices = range(start // self._part_rows, (stop - 1) // self._part_rows + 1)
            return any(self._is_wanted(Part(index, each)) for each in slices)

        source = open_source(file)
        columns = choose(source.schema, self._options, file.name)
        current: Part | None = None
        for block in source.rows(columns.read, is_any_wanted):
            for rows in self._cut(block, columns):
                part = Part(index, rows.start // self._part_rows)
                if not self._is_wanted(part):
                    continue
                if current not in (None, part):
                    yield EndOfPart(current, file.name), source.fraction
                current = part
                yield _window(part, file, rows, columns), source.fraction
        if current is not None:
            yield EndOfPart(current, file.name), 1.0

    def _cut(self, block: Rows, columns: Columns) -> Iterator[Rows]:
        """Yield slices of a block, each small enough for a window and within one part."""
        count = block.table.num_rows
        row_bytes = max(block.table.nbytes // max(count, 1), 1)
        size = IMAGE_WINDOW_ROWS if columns.image else max(WINDOW_BYTES // row_bytes, 1)
        start = 0
        while start < count:
            first = block.start + start
            left = self._part_rows - first % self._part_rows
            stop = min(start + size, start + left, count)
            yield block.slice(start, stop)
            start = stop


def _window(part: Part, file: InputFile, rows: Rows, columns: Columns) -> Window:
    problems = dict(rows.problems)
    inputs = [""] * rows.table.num_rows
    if columns.text is not None:
        for position, text in enumerate(_strings(rows.table[columns.text])):
            inputs[position] = text or ""
            if not (text or columns.image):
                why = "null" if text is None else "empty"
                problems.setdefault(position, f"the text is {why}")
    if columns.image is not None:
        folder = Path(file.name).parent
        for position, value in enumerate(rows.table[columns.image].to_pylist()):
            try:
                url = data_url(value, folder)
            except UnusableImage as error:
                problems.setdefault(position, str(error))
            else:
                inputs[position] = f"{inputs[position]}\n{url}" if inputs[position] else url
    for position in problems:
        inputs[position] = ""
    return Window(part, file.name, Rows(rows.start, rows.table, problems), columns, inputs)


def _strings(column: pa.ChunkedArray) -> list[Any]:
    return list(column.cast(pa.large_string()).to_pylist())
