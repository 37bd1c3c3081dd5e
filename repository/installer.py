"""A Triton model repository on disk: an entry is written aside, then moved into place."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from time import time

STAGING = ".export-"
"""What the names of staging folders begin with."""

LOCKED_AFTER_SECONDS = 60.0
"""A folder that is older is locked, unless its export is dead."""


class Repository:
    """The folder that Triton serves.

    Args:
        folder: Created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Yield a folder on the same file system, which is gone afterwards whatever happens.

        Its name begins with a dot, and a server that polls the repository skips it. What an export
        left that was killed goes first: it may fill the disk.
        """
        self._sweep()
        folder = Path(mkdtemp(prefix=STAGING, dir=self._folder))
        with _lock(folder):
            try:
                yield folder
            finally:
                shutil.rmtree(folder)

    def _sweep(self) -> None:
        for left in self._folder.glob(f"{STAGING}*"):
            with suppress(OSError):
                if time() - left.stat().st_mtime < LOCKED_AFTER_SECONDS:
                    continue
                with _lock(left) as is_dead:
                    if is_dead:
                        shutil.rmtree(left)

    def install(self, staging: Path, models: Iterable[str], obsolete: Iterable[str] = ()) -> None:
        """Move `models` from `staging` into the repository, in the given order.

        Each replaces an older one of its name. If one cannot be moved, those moved before it
        are put back, so that the repository is as it was.

        Args:
            staging: Where the models are, and what they replace goes.
            models: Their names.
            obsolete: Models that go before the others come.
        """
        replaced: list[tuple[Path, Path | None]] = []

        def take_out(target: Path) -> None:
            old = staging / f"{target.name}.old" if target.exists() else None
            if old:
                target.rename(old)
            replaced.append((target, old))

        try:
            for name in obsolete:
                take_out(self._folder / name)
            for name in models:
                take_out(self._folder / name)
                (staging / name).rename(self._folder / name)
        except BaseException:
            for target, old in reversed(replaced):
                shutil.rmtree(target, ignore_errors=True)
                if old:
                    old.rename(target)
            raise

    def remove(self, models: Iterable[str]) -> None:
        """Take `models` out of the repository, in the given order.

        Each disappears at once, so that a running server sees whole models only. If one cannot
        be moved, the repository is left as it was.
        """
        with self.staging() as staging:
            removed: list[str] = []
            try:
                for name in models:
                    (self._folder / name).rename(staging / name)
                    removed.append(name)
            except BaseException:
                for name in reversed(removed):
                    (staging / name).rename(self._folder / name)
                raise


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Hold the lock of `folder` if it can be had, and yield whether it could.

    It ends with this process, however that ends. Not every file system has locks.
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
