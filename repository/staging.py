"""Staging folders: a model is written here before it is moved into place."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from triton_embed.repository.layout import STAGING_PREFIX


@contextmanager
def staging(repository: Path) -> Iterator[Path]:
    """Yield a new folder on the file system of `repository`, and delete it afterwards.

    The repository is created if it does not exist. Servers skip the folder because its name starts
    with a dot. Staging folders of exports that were killed are deleted first: they may fill the
    disk.
    """
    repository.mkdir(parents=True, exist_ok=True)
    sweep(repository)
    folder, lock = _locked_folder(repository)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def sweep(repository: Path) -> None:
    """Delete the staging folders whose process has ended, for example a killed export.

    Folders that cannot be deleted, and folders on a file system without locks, are kept.
    """
    for folder in repository.glob(f"{STAGING_PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


def _locked_folder(repository: Path) -> tuple[Path, int]:
    """Return a new folder and a descriptor that holds the lock on it.

    The lock ends with this process, even if it is killed. Some file systems have no locks.
    """
    while True:
        folder = Path(mkdtemp(prefix=STAGING_PREFIX, dir=repository))
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            # Another process swept the folder before it was locked.
            os.close(descriptor)
