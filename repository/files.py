"""How large files are, for machines and for people."""

from __future__ import annotations

from pathlib import Path


def sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file below `folder`, by its path relative to it, in order."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def human(size: float) -> str:
    """Return a number of bytes as people write it, such as ``91 MB``."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
