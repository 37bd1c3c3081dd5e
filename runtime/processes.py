"""CPU time, memory and children of running processes.

A process may end at any moment: it then has no children, no memory and no further CPU time, and
no function here raises because of it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


def descendants(pid: int | None = None, *, command: str = "") -> list[int]:
    """Return the ids of the children of a process, their children and so on.

    Args:
        pid: The process; this one by default.
        command: Text that the command line of each must contain, its arguments joined by spaces.
    """
    found: list[int] = []
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if command in " ".join(process.cmdline()):
                    found.append(process.pid)
    return found


def cpu_seconds(*pids: int) -> float:
    """Return the user and system CPU time of the processes, without that of their children."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def rss_bytes(*pids: int) -> int:
    """Return the resident memory of the processes; a shared page counts for each of them."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total


def pss_bytes(*pids: int) -> int:
    """Return the resident memory of the processes, a shared page divided by its number of users."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_full_info().pss
    return total


def tree_rss_bytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants."""
    return rss_bytes(pid, *descendants(pid))


def peak_rss_bytes() -> int:
    """Return the peak resident memory of this process.

    Read from ``/proc``: psutil 7 has no peak on Linux, and ``ru_maxrss`` includes that of the
    parent process at the fork.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024
