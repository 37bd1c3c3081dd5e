"""The CPU cores that this process may use: its affinity, and the CPU quota of its control groups.

Containers limit CPUs by a quota, which `os.cpu_count` and ONNX Runtime ignore. Too many threads
exhaust it early in each period, and all of them are stopped for the rest of the period.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MEMBERSHIP = Path("proc/self/cgroup")
"""The control groups of this process, cgroups(7), below the root folder."""

HIERARCHIES = Path("sys/fs/cgroup")
"""The mount point of version 2, and the parent of those of version 1, below the root folder."""


def usable_cores(root: Path = Path("/")) -> int:
    """Return the number of cores that this process may use, at least 1; a part counts as one.

    Args:
        root: The folder with ``/proc`` and ``/sys``.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *map(math.ceil, _quotas(root))]))


def has_quota() -> bool:
    """Return whether a quota allows fewer cores than the affinity."""
    return usable_cores() < len(os.sched_getaffinity(0))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quotas, in cores, of the control groups of this process and of their parents."""
    try:
        lines = (root / MEMBERSHIP).read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    mount = root / HIERARCHIES
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            for folder in _ancestors(mount, group):
                with suppress(OSError, ValueError):  # "max": no quota.
                    quota, period = (folder / "cpu.max").read_text().split()
                    yield int(quota) / int(period)
        elif "cpu" in controllers.split(","):
            for folder in _ancestors(mount / controllers, group):
                with suppress(OSError, ValueError):
                    quota = (folder / "cpu.cfs_quota_us").read_text()
                    period = (folder / "cpu.cfs_period_us").read_text()
                    if int(quota) > 0:  # -1: no quota.
                        yield int(quota) / int(period)


def _ancestors(mount: Path, group: str) -> list[Path]:
    """Return the folders of a control group and of its parents.

    In a container the mount point may be the group itself: folders that do not exist are no error.
    """
    folder = mount / group.lstrip("/")
    return [parent for parent in (folder, *folder.parents) if parent.is_relative_to(mount)]
