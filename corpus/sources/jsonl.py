"""Files with a JSON object in each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from triton_embed.corpus.sources.lines import Lines
from triton_embed.corpus.sources.source import IsWanted, Rows, UnreadableFile

UNSUITABLE = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)
"""Errors about values that a column cannot have; the last one is about integers over 64 bits."""


class JsonLinesSource:
    """A file with a JSON object in each line; blank lines are not rows.

    The types of the columns are those of the first block of lines. A column whose values there have
    different types is not available.

    Args:
        name: Its path.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines = Lines(name)
        self._schema = _infer(next(Lines(name).blocks(), []))

    @property
    def schema(self) -> pa.Schema:
        """The columns of the first block of lines."""
        return self._schema

    @property
    def fraction(self) -> float:
        """The share of the file that has been read."""
        return self._lines.fraction

    def rows(self, columns: Sequence[str], is_wanted: IsWanted) -> Iterator[Rows]:
        """Yield the rows; see `Source.rows`."""
        schema = pa.schema([self._schema.field(name) for name in columns])
        start = 0
        for block in self._lines.blocks():
            if is_wanted(start, start + len(block)):
                yield self._parse(start, block, schema)
            start += len(block)

    def _parse(self, start: int, block: Sequence[bytes], schema: pa.Schema) -> Rows:
        objects, problems = _objects(block)
        arrays = []
        for field in schema:
            values = [each.get(field.name) for each in objects]
            try:
                arrays.append(pa.array(values, field.type))
            except UNSUITABLE as error:
                place = f"'{self._name}', rows {start} to {start + len(block) - 1}"
                raise UnreadableFile(
                    f"{place}: a value of '{field.name}' is not of the type "
                    f"{field.type}, which the first rows have: {error}"
                ) from error
        return Rows(start, pa.table(arrays, schema), problems)


def _objects(block: Sequence[bytes]) -> tuple[list[dict[str, Any]], dict[int, str]]:
    objects: list[dict[str, Any]] = []
    problems = {}
    for position, line in enumerate(block):
        try:
            found = json.loads(line)
            if b"\\ud" in line.lower():
                # Half of a surrogate pair is valid JSON, and no character.
                json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            problems[position] = f"the line is not Unicode: {error.reason}"
            found = {}
        except (ValueError, RecursionError) as error:
            problems[position] = f"the line is not JSON: {error}"
            found = {}
        if not isinstance(found, dict):
            problems[position] = "the line is not a JSON object"
            found = {}
        objects.append(found)
    return objects, problems


def _infer(block: Sequence[bytes]) -> pa.Schema:
    objects, _ = _objects(block)
    fields = []
    for name in dict.fromkeys(key for each in objects for key in each):
        try:
            kind = pa.array([each.get(name) for each in objects]).type
        except UNSUITABLE:
            continue
        fields.append((name, pa.string() if pa.types.is_null(kind) else kind))
    return pa.schema(fields)
