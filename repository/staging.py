"""Staging folders: a model is written here before it is moved into place."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from time import time

from triton_embed.repository.layout import STAGING_PREFIX

LOCK_DELAY_SECONDS = 60.0
"""Minimum age in seconds at which a staging folder without a lock belongs to a dead export. The
lock of a newer folder may not have been taken yet."""


@contextmanager
def staging(repository: Path) -> Iterator[Path]:
    """Yield a new folder on the file system of `repository`, and delete it afterwards.

    The repository is created if it does not exist. Servers skip the folder because its name starts
    with a dot. Staging folders of exports that were killed are deleted first: they may fill the
    disk.
    """
    repository.mkdir(parents=True, exist_ok=True)
    _delete_abandoned(repository)
    folder = Path(mkdtemp(prefix=STAGING_PREFIX, dir=repository))
    with _lock(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _delete_abandoned(repository: Path) -> None:
    for folder in repository.glob(f"{STAGING_PREFIX}*"):
        with suppress(OSError):
            if time() - folder.stat().st_mtime < LOCK_DELAY_SECONDS:
                continue
            with _lock(folder) as is_abandoned:
                if is_abandoned:
                    shutil.rmtree(folder)


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Lock `folder` unless another process holds the lock, and yield whether that succeeded.

    The lock ends with this process, even if it is killed. Some file systems have no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_held = True
        except OSError:
            is_held = False
        yield is_held
    finally:
        os.close(descriptor)
