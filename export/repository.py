"""A Triton model repository on disk: an entry is written aside, then moved into place."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp


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

        Its name begins with a dot, and a server that polls the repository skips it.
        """
        folder = Path(mkdtemp(prefix=".export-", dir=self._folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

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
