"""The lock of a run in its output folder, which shows other runs that its process has not ended.

Process ids do not show this: each container has its own, also if several share a folder and a host
name.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4


class RunLock:
    """The lock of this run; the kernel releases it if the process is killed.

    Args:
        folder: The output folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._name = ""

    @property
    def name(self) -> str:
        """Part of the names of the files of this run."""
        return self._name

    def acquire(self) -> None:
        """Create the lock.

        Raises:
            OSError: the folder cannot be written.
        """
        while self._file is None:
            self._name = f"{socket.gethostname()}.{uuid4().hex}"
            file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
            # Another run may have found the file before it was locked, and removed it.
            if _is_locked_elsewhere(file) or not self._path.exists():
                os.close(file)
            else:
                self._file = file

    @property
    def _path(self) -> Path:
        return self._folder / f".{self._name}.lock"

    def release(self) -> None:
        """Remove the lock, if there is one."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def remove_ended(self) -> None:
        """Remove the files of runs on this machine that have ended without removing them.

        Files of other machines remain: their locks are not visible on every network file system.
        """
        for path in self._folder.glob(f".{socket.gethostname()}.*.lock"):
            name = path.name.removeprefix(".").removesuffix(".lock")
            if name != self._name:
                for file in _files_if_ended(path, name):
                    file.unlink(missing_ok=True)


def _files_if_ended(path: Path, name: str) -> Iterator[Path]:
    """Yield the files of a run, its lock last, if it has ended; hold its lock meanwhile."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return
    try:
        if not _is_locked_elsewhere(file, unknown=True):
            yield from path.parent.glob(f".*.{name}.tmp")
            yield path
    finally:
        os.close(file)


def _is_locked_elsewhere(file: int, *, unknown: bool = False) -> bool:
    """Lock a file, and return whether another process has done so.

    Args:
        file: The opened file.
        unknown: Returned if the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return unknown
    return False
