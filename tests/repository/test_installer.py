from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
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


@pytest.fixture
def interrupt_after_first_move(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let a signal arrive at the worst moment: after a folder was moved, before that is noted."""
    rename = Path.rename

    def move(source: Path, target: Path) -> Path:
        monkeypatch.undo()
        rename(source, target)
        raise KeyboardInterrupt

    return lambda: monkeypatch.setattr(Path, "rename", move)


def test_interrupted_install_leaves_the_old_model(
    tmp_path: Path, interrupt_after_first_move: Callable[[], None]
) -> None:
    make_models(tmp_path, "a", "b")
    with pytest.raises(KeyboardInterrupt), staging(tmp_path) as staged:
        (staged / "a").mkdir()
        interrupt_after_first_move()
        installer.install(tmp_path, staged, ["a"], obsolete=["b"])
    assert paths(tmp_path) == {"a", "a/old", "b", "b/old"}


def test_interrupted_removal_leaves_the_whole_model(
    tmp_path: Path, interrupt_after_first_move: Callable[[], None]
) -> None:
    make_models(tmp_path, "a", "b")
    interrupt_after_first_move()
    with pytest.raises(KeyboardInterrupt):
        installer.remove(tmp_path, ["a", "b"])
    assert paths(tmp_path) == {"a", "a/old", "b", "b/old"}


def test_repository_is_locked_while_models_are_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    rename = Path.rename

    def move(source: Path, target: Path) -> Path:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", move)
    with staging(tmp_path) as staged:
        (staged / "a").mkdir()
        installer.install(tmp_path, staged, ["a"])
    installer.remove(tmp_path, ["a"])
    fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(other)
    assert paths(tmp_path) == set()


def test_failed_removal_leaves_the_whole_model(tmp_path: Path) -> None:
    make_models(tmp_path, "a")
    with pytest.raises(OSError):
        installer.remove(tmp_path, ["a", "missing"])
    assert paths(tmp_path) == {"a", "a/old"}
