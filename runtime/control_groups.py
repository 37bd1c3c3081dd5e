"""The control groups of this process, of version 1 and 2, with which containers limit resources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MEMBERSHIP = Path("proc/self/cgroup")
"""The control groups of this process, cgroups(7), below the root folder."""

HIERARCHIES = Path("sys/fs/cgroup")
"""The mount point of version 2, and the parent of those of version 1, below the root folder."""


class ControlGroup(NamedTuple):
    """One control group.

    Attributes:
        version: 1 or 2; their files have different names.
        folder: Its folder, which may not exist: in a container, the mount point may be the group.
    """

    version: int
    folder: Path


def control_groups(controller: str, root: Path) -> Iterator[ControlGroup]:
    """Yield the control groups of this process, and their parents, for one controller.

    Args:
        controller: Such as ``cpu`` or ``memory``.
        root: The folder with ``/proc`` and ``/sys``.
    """
    try:
        lines = (root / MEMBERSHIP).read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    mount = root / HIERARCHIES
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield from (ControlGroup(2, folder) for folder in _lineage(mount, group))
        elif controller in controllers.split(","):
            folders = _lineage(mount / controllers, group)
            yield from (ControlGroup(1, folder) for folder in folders)


def _lineage(mount: Path, group: str) -> list[Path]:
    """Return the folders of a control group and of its parents."""
    folder = mount / group.lstrip("/")
    return [parent for parent in (folder, *folder.parents) if parent.is_relative_to(mount)]
