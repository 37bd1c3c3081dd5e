from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testing.paths import ROOT
from triton_embed.corpus.output import OutputFolder
from triton_embed.corpus.run_lock import RunLock

EXPECTED = {"version": 1, "inputs": []}

KILLED = """
import os, signal, sys
from pathlib import Path
from triton_embed.corpus.run_lock import RunLock

lock = RunLock(Path(sys.argv[1]))
lock.acquire()
(Path(sys.argv[1]) / f".part.parquet.{lock.name}.tmp").touch()
os.kill(os.getpid(), signal.SIGKILL)
"""


def hidden(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*"))


def test_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT)
    assert len(hidden(tmp_path)) == 2
    folder = OutputFolder(tmp_path, ".parquet")
    folder.open(EXPECTED)
    folder.close()
    assert hidden(tmp_path) == []


def test_files_of_a_running_run_remain_whatever_its_process_id(tmp_path: Path) -> None:
    # Containers see neither the processes of each other, nor, with a common name, another host.
    running, other = RunLock(tmp_path), RunLock(tmp_path)
    running.acquire()
    (tmp_path / f".part.parquet.{running.name}.tmp").touch()
    other.acquire()
    other.remove_ended()
    other.release()
    assert len(hidden(tmp_path)) == 2
    running.release()
    assert [path.suffix for path in hidden(tmp_path)] == [".tmp"]


def test_files_of_another_host_remain(tmp_path: Path) -> None:
    for name in ("part.parquet.other.1.tmp", "other.1.lock"):
        (tmp_path / f".{name}").touch()
    lock = RunLock(tmp_path)
    lock.acquire()
    lock.remove_ended()
    lock.release()
    assert len(hidden(tmp_path)) == 2


def test_lock_that_another_run_removed_is_acquired_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = fcntl.flock, []

    def remove_first(file: int, operation: int) -> None:
        calls.append(file)
        if len(calls) == 1:
            os.unlink(os.readlink(f"/proc/self/fd/{file}"))
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    lock = RunLock(tmp_path)
    lock.acquire()
    assert len(calls) == 2 and len(hidden(tmp_path)) == 1
    lock.release()


def test_nothing_is_removed_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", fail)
    locks = [RunLock(tmp_path), RunLock(tmp_path)]
    for lock in locks:
        lock.acquire()
    locks[0].remove_ended()
    assert len(hidden(tmp_path)) == 2
    for lock in locks:
        lock.release()
