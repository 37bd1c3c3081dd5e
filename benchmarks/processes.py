"""Memory of a process and of everything below it, from ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """Return the sum over the tree below `pid`; memory that processes share counts for each."""
    return sum(map(_resident_bytes, _tree(pid)))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(task).split():
            yield from _tree(int(child))


def _resident_bytes(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * PAGE_BYTES if fields else 0


def _read(path: Path) -> str:
    """Return what is in `path`, or nothing if its process has ended meanwhile."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def memory_bytes(field: str, pid: int | str = "self") -> int:
    """Return ``VmRSS``, ``VmHWM`` (its peak) or ``Pss`` of one process."""
    file = "smaps_rollup" if field == "Pss" else "status"
    for line in _read(Path(f"/proc/{pid}/{file}")).splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no {field}")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that one process has used."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
