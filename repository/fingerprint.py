"""Fingerprint of a Triton model's folder, which changes with every change of a file."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISDIR

Fingerprint = tuple[tuple[str, int, int], ...]
"""Path within the folder, modification time in nanoseconds and bytes of each file. The path of a
folder ends with ``/``."""


def fingerprint(model: Path) -> Fingerprint:
    """Return the fingerprint of a Triton model's folder.

    A folder or file that cannot be read now, because it is being replaced or belongs to another
    user, has a fingerprint too.
    """
    facts: list[tuple[str, int, int]] = []
    try:
        paths = sorted(model.rglob("*"))
    except OSError as error:
        return ((f"{error.strerror}/", 0, 0),)
    for path in paths:
        name = path.relative_to(model).as_posix()
        try:
            status = path.stat()
        except OSError as error:
            # A broken link, such as an editor's lock, or a file that is being replaced.
            facts.append((f"{name}: {error.strerror}/", 0, 0))
            continue
        end = "/" if S_ISDIR(status.st_mode) else ""
        facts.append((f"{name}{end}", status.st_mtime_ns, status.st_size))
    return tuple(facts)


def file_sizes(fingerprint: Fingerprint) -> dict[str, int]:
    """Return the bytes of each file by its path within the folder."""
    return {path: size for path, _, size in fingerprint if not path.endswith("/")}
