"""The folder in which the worker processes share their metrics."""

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
    for file in Path(folder).glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid)
    return MultiProcessCollector(None)
