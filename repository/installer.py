"""Atomic changes of a model repository that is being served."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from triton_embed.repository.staging import staging


def install(
    repository: Path, staged: Path, models: Iterable[str], obsolete: Iterable[str] = ()
) -> None:
    """Move Triton models from a staging folder into `repository`, in the given order.

    Each replaces the Triton model of the same name. If a move fails, the repository is restored.

    Args:
        repository: The model repository.
        staged: The staging folder. Replaced models are moved here, and deleted with it.
        models: Names of the Triton models in `staged`.
        obsolete: Names of Triton models that are removed first.

    Raises:
        OSError: a model cannot be moved.
    """
    replaced: list[tuple[Path, Path | None]] = []

    def take_out(target: Path) -> None:
        old = staged / f"{target.name}.old" if target.exists() else None
        # Recorded first, because a signal can interrupt this right after the move.
        replaced.append((target, old))
        if old:
            target.rename(old)

    with _locked(repository):
        try:
            for name in obsolete:
                take_out(repository / name)
            for name in models:
                take_out(repository / name)
                (staged / name).rename(repository / name)
        except BaseException:
            for target, old in reversed(replaced):
                if old is None or old.exists():
                    shutil.rmtree(target, ignore_errors=True)
                if old and old.exists():
                    old.rename(target)
            raise


def remove(repository: Path, models: Iterable[str]) -> None:
    """Remove Triton models from `repository`, in the given order.

    Each disappears at once, so that a running server sees whole models only. If one cannot be
    moved, the repository is restored.

    Raises:
        OSError: a model cannot be moved.
    """
    with staging(repository) as staged, _locked(repository):
        removed: list[Path] = []
        try:
            for name in models:
                removed.append(staged / name)
                (repository / name).rename(staged / name)
        except BaseException:
            for path in reversed(removed):
                if path.exists():
                    path.rename(repository / path.name)
            raise


@contextmanager
def _locked(repository: Path) -> Iterator[None]:
    """Keep other processes from moving models while in the block, if locks are supported."""
    descriptor = os.open(repository, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
