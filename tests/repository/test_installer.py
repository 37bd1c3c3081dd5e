from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from triton_embed.repository.installer import Repository

LONG_AGO = (0, 0)


def test_what_is_staged_is_gone_unless_installed(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    with pytest.raises(RuntimeError), repository.staging() as staging:
        (staging / "model").mkdir()
        raise RuntimeError
    assert not list((tmp_path / "repository").iterdir())


def test_what_a_killed_export_left_goes_with_the_next_and_a_living_ones_stays(
    tmp_path: Path,
) -> None:
    stage = (
        "import sys; from pathlib import Path\n"
        "from triton_embed.repository.installer import Repository\n"
        "with Repository(Path(sys.argv[1])).staging() as staging: print(staging.name, flush=True);"
        " sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", stage, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout
        staged = tmp_path / other.stdout.readline().strip()
        os.utime(staged, LONG_AGO)
        with Repository(tmp_path).staging():
            assert staged.exists()
        other.kill()
    os.utime(staged)
    with Repository(tmp_path).staging():
        assert staged.exists(), "a young one may not have its lock yet"
    os.utime(staged, LONG_AGO)
    with Repository(tmp_path).staging():
        assert not staged.exists()


def test_a_failed_install_leaves_the_old_entry(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "old").touch()
    repository = Repository(folder)
    with pytest.raises(OSError), repository.staging() as staging:
        (staging / "a").mkdir()
        repository.install(staging, ["a", "b"])
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "a",
        "a/old",
        "b",
        "b/old",
    ]


def test_what_is_obsolete_goes_with_an_install_and_comes_back_if_it_fails(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    for name in ("A", "a"):
        (folder / name).mkdir(parents=True)
    repository = Repository(folder)
    with pytest.raises(OSError), repository.staging() as staging:
        repository.install(staging, ["a"], obsolete=["A"])
    assert {path.name for path in folder.iterdir()} == {"A", "a"}
    with repository.staging() as staging:
        (staging / "a").mkdir()
        repository.install(staging, ["a"], obsolete=["A"])
    assert {path.name for path in folder.iterdir()} == {"a"}


def test_what_cannot_be_removed_as_a_whole_stays_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    (folder / "a").mkdir(parents=True)
    with pytest.raises(OSError):
        Repository(folder).remove(["a", "not there"])
    assert [path.name for path in folder.iterdir()] == ["a"]
