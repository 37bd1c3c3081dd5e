from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from triton_embed.gateway.workers import FOLDER_VARIABLE, all_workers


@pytest.mark.parametrize("folder", [None, ""])
def test_single_worker_sums_nothing(folder: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    if folder is not None:
        monkeypatch.setenv(FOLDER_VARIABLE, folder)
    assert all_workers() is None


def test_inputs_in_flight_of_a_dead_worker_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    # An id that now belongs to a process other than a worker.
    reused = tmp_path / "gauge_livesum_1.db"
    reused.touch()
    own = tmp_path / f"gauge_livesum_{os.getpid()}.db"
    counters = tmp_path / f"counter_{dead.pid}.db"
    others = tmp_path / f"gauge_livesum_{dead.pid}.db"
    for file in (own, counters, others):
        file.touch()
    assert all_workers() is not None
    assert own.exists() and counters.exists() and not others.exists()
    assert not reused.exists()
