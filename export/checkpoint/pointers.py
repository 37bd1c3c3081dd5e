"""Git LFS pointers: the small text files that stand for files that were not downloaded."""

from __future__ import annotations

from pathlib import Path

from triton_embed.export.errors import ExportError

BEGINNING = b"version https://git-lfs.github.com/spec/v1"


def check_pointer(path: Path) -> None:
    """Raise ExportError if the file at `path` is a Git LFS pointer."""
    with path.open("rb") as file:
        if file.read(len(BEGINNING)) == BEGINNING:
            raise ExportError(
                f"'{path}' is a Git LFS pointer, not the file itself: run 'git lfs pull' in its "
                "folder"
            )
