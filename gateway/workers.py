"""The worker processes of the gateway, and the folder in which they share their metrics."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's variable, read by each worker when it starts."""


def all_workers() -> Collector | None:
    """Return a collector of the sums over all workers; ``None`` if there is a single one."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    # Without this, the inputs of a killed worker would count as in flight indefinitely.
    for pid in _pids(folder, "gauge_live*"):
        if not _is_sibling(pid):
            mark_process_dead(pid)
    return MultiProcessCollector(None)


def worker_pids() -> list[int]:
    """Return the process ids of the running workers, this process included."""
    folder = os.environ.get(FOLDER_VARIABLE)
    siblings = filter(_is_sibling, _pids(folder, "counter_*")) if folder else ()
    return sorted({os.getpid(), *siblings})


def _pids(folder: str, kind: str) -> set[int]:
    """Return the processes that have written files of a kind."""
    return {int(file.stem.rpartition("_")[2]) for file in Path(folder).glob(f"{kind}.db")}


def _is_sibling(pid: int) -> bool:
    """Return whether a process runs and has our parent; its id may have been reused."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # The name, in parentheses, may contain spaces.
    state, parent = stat.rpartition(")")[2].split()[:2]
    return state != "Z" and int(parent) == os.getppid()
