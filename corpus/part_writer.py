"""One part of the output: its vectors, ids and rejected rows."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from triton_embed.client.sender import Embedded
from triton_embed.corpus.columns import ID
from triton_embed.corpus.output import OutputFolder, Record
from triton_embed.corpus.sinks import Format
from triton_embed.corpus.sinks.sink import VectorColumn
from triton_embed.corpus.windows import Part, Window


class PartWriter:
    """Writes a part to temporary files, and publishes it at the end.

    Args:
        folder: The output folder.
        part: The part.
        format: The output format.
        column: The column of the vectors; if it is nullable, rejected rows are written, too.
    """

    def __init__(
        self, folder: OutputFolder, part: Part, format: Format, column: VectorColumn
    ) -> None:
        self._folder = folder
        self._part = part
        self._keeps_rejected = column.is_nullable
        self._path = folder.temporary(f"{part.name}{format.suffix}")
        self._sink = format.open(self._path, column)
        self._ids_path: Path | None = None
        if not format.has_ids:
            self._ids_path = folder.temporary(f"{part.name}.ids")
            self._ids = self._ids_path.open("w", encoding="utf-8")
        self._rejects: list[dict[str, Any]] = []
        self._rows = self._tokens = 0

    def write(self, window: Window, embedded: Embedded) -> None:
        """Write a window with the vectors of its inputs [rows, width]."""
        table = output_table(window)
        valid = np.ones(len(window.inputs), np.bool_)
        for position, reason in rejected_rows(window, embedded).items():
            valid[position] = False
            self._rejects.append(
                {
                    "file": window.file,
                    "row": window.rows.start + position,
                    "id": table[ID][position].as_py(),
                    "reason": reason,
                }
            )
        vectors = embedded.vectors
        if not self._keeps_rejected and not valid.all():
            table, vectors = table.filter(pa.array(valid)), vectors[valid]
            valid = valid[valid]
        self._sink.write(table, vectors, valid)
        if self._ids_path is not None:
            for row in table.to_pylist():
                self._ids.write(f"{json.dumps(row, ensure_ascii=False, default=str)}\n")
        self._rows += len(window.inputs)
        self._tokens += embedded.tokens

    def finish(self) -> Record:
        """Publish the part, and return its record."""
        self._sink.close()
        if self._ids_path is not None:
            self._ids.close()
        size = self._path.stat().st_size
        record = Record(self._rows, len(self._rejects), self._tokens, size)
        self._folder.commit(self._part, self._path, self._ids_path, self._rejects, record)
        return record

    def abandon(self) -> None:
        """Remove the temporary files."""
        for path in (self._path, self._ids_path):
            if path is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def rejected_rows(window: Window, embedded: Embedded) -> dict[int, str]:
    """Return the reasons of the rejected rows of a window by position, in order."""
    rejected = {at: error.message for at, error in embedded.rejected.items()}
    return dict(sorted({**rejected, **window.rows.problems}.items()))


def output_table(window: Window) -> pa.Table:
    """Return the ids and the kept columns of a window."""
    rows, columns = window.rows, window.columns
    if columns.id is not None:
        ids = rows.table[columns.id]
    else:
        first = rows.start
        names = [f"{window.file}:{first + at}" for at in range(rows.table.num_rows)]
        ids = pa.array(names, pa.string())
    kept = [rows.table[name] for name in columns.keep]
    return pa.table([ids, *kept], [ID, *columns.keep])
