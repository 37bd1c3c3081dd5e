"""Changes of a model repository that is being served: as a whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from triton_embed.repository.staging import staging


def install(
    repository: Path, staged: Path, models: Iterable[str], obsolete: Iterable[str] = ()
) -> None:
    """Move Triton models from a staging folder into `repository`, in the given order.

    Each replaces the one of its name. If one cannot be moved, the repository is restored.

    Args:
        repository: The model repository.
        staged: The staging folder. Replaced models are moved here, and deleted with it.
        models: Names of the Triton models in `staged`.
        obsolete: Names of Triton models that are removed before.

    Raises:
        OSError: a model cannot be moved.
    """
    replaced: list[tuple[Path, Path | None]] = []

    def take_out(target: Path) -> None:
        old = staged / f"{target.name}.old" if target.exists() else None
        if old:
            target.rename(old)
        replaced.append((target, old))

    try:
        for name in obsolete:
            take_out(repository / name)
        for name in models:
            take_out(repository / name)
            (staged / name).rename(repository / name)
    except BaseException:
        for target, old in reversed(replaced):
            shutil.rmtree(target, ignore_errors=True)
            if old:
                old.rename(target)
        raise


def remove(repository: Path, models: Iterable[str]) -> None:
    """Remove Triton models from `repository`, in the given order.

    Each disappears at once, so that a running server sees whole models only. If one cannot be
    moved, the repository is restored.

    Raises:
        OSError: a model cannot be moved.
    """
    with staging(repository) as staged:
        removed: list[str] = []
        try:
            for name in models:
                (repository / name).rename(staged / name)
                removed.append(name)
        except BaseException:
            for name in reversed(removed):
                (staged / name).rename(repository / name)
            raise
