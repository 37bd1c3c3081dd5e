from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from triton_embed.serve import run_files
from triton_embed.serve.errors import ServeError

DEAD = "0123456789ab"
"""Id of a run whose supervisor was killed."""


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that replaces /dev/shm; temporary folders are created next to it."""
    # The names of pytest's own folders are too long for a socket.
    with TemporaryDirectory() as name:
        folder = Path(name, "shm")
        folder.mkdir()
        monkeypatch.setattr(run_files, "SHARED_MEMORY", folder)
        monkeypatch.setattr("tempfile.tempdir", name)
        yield folder


@pytest.fixture
def dead_folder(memory: Path) -> Path:
    """The temporary folder of the dead run, which also left a lock and a segment."""
    folder = memory.parent / f"triton-embed-{DEAD}"
    folder.mkdir()
    (memory / f"triton_embed_{DEAD}.run").write_text(str(folder))
    (memory / f"triton_embed_{DEAD}_segment").touch()
    return folder


def test_run_creates_a_private_folder_and_removes_its_files(memory: Path) -> None:
    with run_files.run_files() as run:
        assert run.folder.stat().st_mode & 0o777 == 0o700
        (memory / f"{run.memory_prefix}segment").touch()
        run.admin_socket.touch()
    assert list(memory.iterdir()) == []
    assert not run.folder.exists()


def test_ended_triton_leaves_the_lock_of_its_run(memory: Path) -> None:
    with run_files.run_files() as run:
        segment = memory / f"{run.memory_prefix}segment"
        segment.touch()
        run.remove_triton()
        assert [path.name for path in memory.iterdir()] == [f"triton_embed_{run.run_id}.run"]


def test_sweep_removes_the_files_of_a_dead_run(memory: Path, dead_folder: Path) -> None:
    assert run_files.sweep()
    assert list(memory.iterdir()) == []
    assert not dead_folder.exists()


def test_sweep_leaves_a_living_run_alone(memory: Path) -> None:
    with run_files.run_files() as run:
        segment = memory / f"{run.memory_prefix}segment"
        segment.touch()
        assert not run_files.sweep()
        assert segment.exists() and run.folder.exists()


def test_sweep_deletes_no_folder_that_is_not_of_the_run(memory: Path) -> None:
    other = memory.parent / "other"
    other.mkdir()
    (memory / f"triton_embed_{DEAD}.run").write_text(str(other))
    assert run_files.sweep()
    assert other.exists()


def test_sweep_follows_no_link(memory: Path, dead_folder: Path) -> None:
    lock = memory / f"triton_embed_{DEAD}.run"
    lock.rename(memory / "elsewhere")
    lock.symlink_to(memory / "elsewhere")
    assert not run_files.sweep()
    assert dead_folder.exists()


@pytest.fixture
def orphan() -> Iterator[subprocess.Popen[bytes]]:
    """A stub of the dead run."""
    command = ["triton_python_backend_stub", "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(
        [*command, f"triton_embed_{DEAD}_region"], executable=sys.executable
    ) as process:
        yield process
        process.kill()


def test_sweep_kills_the_processes_of_a_dead_run_only(
    dead_folder: Path, orphan: subprocess.Popen[bytes]
) -> None:
    end = os.pidfd_open(orphan.pid)
    with run_files.run_files():
        assert run_files.sweep()
    assert select.select([end], [], [], 60)[0]
    os.close(end)


def test_sweep_kills_no_process_of_another_run(
    memory: Path, orphan: subprocess.Popen[bytes]
) -> None:
    (memory / f"triton_embed_{'f' * 12}.run").touch()
    assert run_files.sweep()
    assert orphan.poll() is None


def test_temporary_folder_with_a_long_name_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(ServeError, match="set TMPDIR"), run_files.run_files():
        pass
    assert list(long.iterdir()) == []
