from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.repository import installer
from triton_embed.repository.staging import staging


def make_models(repository: Path, *names: str) -> None:
    for name in names:
        (repository / name).mkdir(parents=True)
        (repository / name / "old").touch()


def paths(repository: Path) -> set[str]:
    return {path.relative_to(repository).as_posix() for path in repository.rglob("*")}


def test_failed_install_leaves_the_old_model(tmp_path: Path) -> None:
    make_models(tmp_path, "a", "b")
    with pytest.raises(OSError), staging(tmp_path) as staged:
        (staged / "a").mkdir()
        installer.install(tmp_path, staged, ["a", "b"])
    assert paths(tmp_path) == {"a", "a/old", "b", "b/old"}


def test_failed_install_restores_obsolete_models(tmp_path: Path) -> None:
    make_models(tmp_path, "A", "a")
    with pytest.raises(OSError), staging(tmp_path) as staged:
        installer.install(tmp_path, staged, ["a"], obsolete=["A"])
    assert paths(tmp_path) == {"A", "A/old", "a", "a/old"}


def test_install_removes_obsolete_models(tmp_path: Path) -> None:
    make_models(tmp_path, "A", "a")
    with staging(tmp_path) as staged:
        (staged / "a").mkdir()
        installer.install(tmp_path, staged, ["a"], obsolete=["A"])
    assert paths(tmp_path) == {"a"}


def test_failed_removal_leaves_the_whole_model(tmp_path: Path) -> None:
    make_models(tmp_path, "a")
    with pytest.raises(OSError):
        installer.remove(tmp_path, ["a", "missing"])
    assert paths(tmp_path) == {"a", "a/old"}
