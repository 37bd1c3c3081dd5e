"""The output folder: finished parts, their records, and the remains of killed runs.

A part is written to a temporary file, which is then renamed; after that, its record is written the
same way. Only a part with a record is finished, so that a part is either complete or written again.

::

    _manifest.json                 everything that the vectors depend on
    _parts/part-00000-00000.json   the record of a finished part: its rows, tokens and size
    _rejects/part-00000-00000.jsonl   rejected rows, with reasons; only if there are any
    part-00000-00000.parquet       the vectors
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triton_embed.corpus import manifest
from triton_embed.corpus.errors import UsageProblem
from triton_embed.corpus.run_lock import RunLock
from triton_embed.corpus.windows import Part

IDS_SUFFIX = ".ids.jsonl"
"""End of the name of the file with the ids of a part, for formats without a place for them."""

MANIFEST, RECORDS, REJECTS = "_manifest.json", "_parts", "_rejects"


@dataclass(frozen=True)
class Record:
    """A finished part.

    Attributes:
        rows: Rows of the input.
        rejected: Rows without a vector.
        tokens: Tokens that the server processed.
        size: Bytes of the file.
    """

    rows: int
    rejected: int
    tokens: int
    size: int


class OutputFolder:
    """The folder that a run writes into.

    Args:
        path: The folder; created if it is missing.
        suffix: End of the names of the parts.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self.path = path
        self._suffix = suffix
        self._lock = RunLock(path)

    def open(self, expected: manifest.Manifest) -> None:
        """Create the folder, or continue in it; `close` must follow, also after an error.

        Several shards may do this at the same time.

        Args:
            expected: The manifest of this run.

        Raises:
            UsageProblem: the folder has files of other programs, or of a run with another manifest.
            OSError: the folder cannot be written.
        """
        target = self.path / MANIFEST
        # Before the manifest is looked up: parts of a faster shard are younger than its manifest.
        has_files = self.path.exists() and any(
            not each.name.startswith((".", "_")) for each in self.path.iterdir()
        )
        if not target.exists():
            if has_files:
                raise UsageProblem(
                    f"the output folder '{self.path}' is not empty and has no {MANIFEST}; choose "
                    "another folder"
                )
            self.path.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        if not target.exists():
            self._write_manifest(target, expected)
        found = json.loads(target.read_text(encoding="utf-8"))
        if changed := manifest.differences(found, expected):
            raise UsageProblem(
                f"the output folder '{self.path}' belongs to another run: {'; '.join(changed)}; "
                "choose another folder, or delete it"
            )
        for folder in (RECORDS, REJECTS):
            # Also in an existing folder: copies to object stores lose empty folders.
            (self.path / folder).mkdir(exist_ok=True)
        self._lock.remove_ended()

    def close(self) -> None:
        """Release the folder."""
        self._lock.release()

    def _write_manifest(self, target: Path, expected: manifest.Manifest) -> None:
        temporary = self.temporary(MANIFEST)
        try:
            _write(temporary, json.dumps(expected, indent=1))
            _sync(temporary)
            with suppress(FileExistsError):
                _link(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(self.path)

    def temporary(self, name: str) -> Path:
        """Return the path of the temporary file of this run for a file of the folder."""
        return self.path / f".{name}.{self._lock.name}.tmp"

    def record(self, part: Part) -> Record | None:
        """Return the record of a part; ``None``: it must be written.

        Raises:
            UsageProblem: the folder cannot be read.
        """
        try:
            text = (self.path / RECORDS / f"{part.name}.json").read_text(encoding="utf-8")
            found = Record(**json.loads(text))
            size = self._file(part).stat().st_size
        except (FileNotFoundError, ValueError, TypeError):
            return None
        except OSError as error:
            raise UsageProblem(
                f"the output folder '{self.path}' cannot be read: {error.strerror or error}"
            ) from error
        return found if size == found.size else None

    def _file(self, part: Part) -> Path:
        return self.path / f"{part.name}{self._suffix}"

    def commit(
        self, part: Part, written: Path, ids: Path | None, rejects: Sequence[Any], record: Record
    ) -> None:
        """Publish a part that is completely written.

        Args:
            part: The part.
            written: Its temporary file.
            ids: The temporary file with its ids, for formats without a place for them.
            rejects: Its rejected rows.
            record: Its record.
        """
        if ids is not None:
            _publish(ids, self.path / f"{part.name}{IDS_SUFFIX}")
        _publish(written, self._file(part))
        reasons = self.path / REJECTS / f"{part.name}.jsonl"
        if rejects:
            temporary = self.temporary(reasons.name)
            _write(temporary, "".join(f"{json.dumps(row, default=str)}\n" for row in rejects))
            _publish(temporary, reasons)
        else:
            reasons.unlink(missing_ok=True)
        temporary = self.temporary(f"{part.name}.json")
        _write(temporary, json.dumps(asdict(record)))
        _publish(temporary, self.path / RECORDS / f"{part.name}.json")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _publish(temporary: Path, target: Path) -> None:
    """Rename a file once its content is on the disk."""
    _sync(temporary)
    temporary.replace(target)
    _sync(target.parent)


def _link(temporary: Path, target: Path) -> None:
    """Publish a file unless another shard was faster, which only a link can show.

    Raises:
        FileExistsError: another shard was faster.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # Mounted object stores have no links.
        temporary.replace(target)


def _sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
