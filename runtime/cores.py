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

from triton_embed.runtime.control_groups import control_groups


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
    for version, folder in control_groups("cpu", root):
        with suppress(OSError, ValueError):
            if version == 2:  # "max": no quota.
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            if int(quota) > 0:  # -1: no quota.
                yield int(quota) / int(period)
