"""The used memory of the container or machine and its limit, as Prometheus metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from triton_embed.runtime.control_groups import ControlGroup, control_groups

FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""By version of the control groups: the files with the limit and the usage, and the name in
``memory.stat`` of the cached files that the kernel drops before it kills a process."""

SHARED_MEMORY = Path("/dev/shm")
"""The file system in which Triton and its Python steps exchange tensors."""


class Memory(NamedTuple):
    """An amount of memory and its limit, in bytes."""

    used: int
    limit: int


def container_memory(root: Path = Path("/")) -> Memory:
    """Return the memory of the control group with the lowest limit, or of the machine.

    Files in the cache that the kernel can drop do not count as used.

    Args:
        root: The folder with ``/proc`` and ``/sys``.
    """
    machine = _machine_memory(root)
    groups = [*_group_memory(root)]
    return min([machine, *groups], key=lambda memory: memory.limit)


def shared_memory(folder: Path = SHARED_MEMORY) -> Memory | None:
    """Return the use and the size of the file system for shared memory; ``None`` without one."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    used = found.f_blocks - found.f_bfree
    return Memory(used * found.f_frsize, found.f_blocks * found.f_frsize)


class MemoryCollector(Collector):
    """Reports the memory of the container or machine, and that of ``/dev/shm``."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        scope = "of the container, or of the machine if that is lower"
        memory = container_memory()
        yield _gauge("memory_used_bytes", f"Memory in use {scope}.", memory.used)
        yield _gauge("memory_limit_bytes", f"Memory limit {scope}.", memory.limit)
        if shared := shared_memory():
            yield _gauge("shared_memory_used_bytes", "Bytes in use in /dev/shm.", shared.used)
            yield _gauge("shared_memory_limit_bytes", "Size of /dev/shm.", shared.limit)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"triton_embed_{name}", help, value=value)


def _machine_memory(root: Path) -> Memory:
    lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    sizes = {
        name: int(size.split()[0]) * 1024 for name, _, size in (x.partition(":") for x in lines)
    }
    return Memory(sizes["MemTotal"] - sizes["MemAvailable"], sizes["MemTotal"])


def _group_memory(root: Path) -> Iterator[Memory]:
    """Yield the memory of the control groups of this process that have a limit."""
    for group in control_groups("memory", root):
        with suppress(OSError, ValueError):  # "max": no limit.
            yield _memory_of(group)


def _memory_of(group: ControlGroup) -> Memory:
    limit, usage, cache = FILES[group.version]
    lines = (group.folder / "memory.stat").read_text(encoding="ascii").splitlines()
    cached = int(dict(line.split() for line in lines)[cache])
    used = int((group.folder / usage).read_text())
    return Memory(max(0, used - cached), int((group.folder / limit).read_text()))
