"""The columns of an input file that are read, and their roles."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as kinds

from triton_embed.corpus.errors import UsageProblem
from triton_embed.corpus.job import ColumnOptions

ALL_COLUMNS = "all"
"""Value of ``--keep`` for all columns."""

TEXT, ID = "text", "id"
"""Default columns; the column of the output with the ids is named `ID`, too."""


@dataclass(frozen=True)
class Columns:
    """The columns of one file.

    Attributes:
        text: Column with the texts; ``None``: there are only images.
        image: Column with images; ``None``: there are none.
        id: Column with the ids; ``None``: file and row.
        keep: Columns that are copied to the output.
    """

    text: str | None
    image: str | None
    id: str | None
    keep: tuple[str, ...]

    @property
    def read(self) -> list[str]:
        """The columns to read, each once."""
        names = (self.text, self.image, self.id, *self.keep)
        return [name for name in dict.fromkeys(names) if name is not None]


def is_string(kind: pa.DataType) -> bool:
    """Return whether a column of this type has strings."""
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def choose(schema: pa.Schema, options: ColumnOptions, name: str) -> Columns:
    """Return the columns of a file.

    Args:
        schema: The file's schema.
        options: The user's options.
        name: The file's name, for messages.

    Raises:
        UsageProblem: a column is missing, ambiguous, of another type, or named twice in the output.
    """
    if options.embedding == ID:
        raise UsageProblem(
            f"the output has a column '{ID}' already; set another --embedding-column"
        )
    for column in (options.text, options.image, options.id, *options.keep):
        if column is not None and column not in schema.names and column != ALL_COLUMNS:
            raise UsageProblem(f"'{name}' has no column '{column}'; {_listed(schema)}")
    text = options.text
    if text is None and options.image is None:
        text = _text_column(schema, name)
    if text is not None and not is_string(schema.field(text).type):
        raise UsageProblem(
            f"column '{text}' of '{name}' has the type {schema.field(text).type}, not strings"
        )
    id = options.id or (ID if ID in schema.names else None)
    used = {id, options.embedding}
    if options.keep == (ALL_COLUMNS,):
        keep = tuple(column for column in schema.names if column not in used)
    else:
        keep = tuple(dict.fromkeys(column for column in options.keep if column != id))
    for column in keep:
        if column in (ID, options.embedding):
            raise UsageProblem(
                f"column '{column}' of '{name}' cannot be kept: the output has another column of "
                "this name; leave it out of --keep, or set --id-column or --embedding-column"
            )
    return Columns(text, options.image, id, keep)


def _text_column(schema: pa.Schema, name: str) -> str:
    if TEXT in schema.names:
        return TEXT
    strings = [field.name for field in schema if is_string(field.type) and field.name != ID]
    if len(strings) != 1:
        raise UsageProblem(
            f"'{name}' has no column '{TEXT}', and not exactly one other column of strings; set "
            f"--text-column; {_listed(schema)}"
        )
    return str(strings[0])


def _listed(schema: pa.Schema) -> str:
    return "its columns are " + ", ".join(f"{field.name} ({field.type})" for field in schema)
