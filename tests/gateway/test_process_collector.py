from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from testing.metrics import samples
from triton_embed import __version__
from triton_embed.gateway.process_collector import WorkerProcessCollector
from triton_embed.gateway.workers import FOLDER_VARIABLE


def test_version_and_processes_of_all_workers_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    # The other worker is a child of this process instead of its sibling.
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / f"counter_{other.pid}.db").touch()
    registry = CollectorRegistry()
    registry.register(WorkerProcessCollector())
    text = generate_latest(registry).decode()
    other.communicate(b"\n")
    found = samples(text)
    for pid in (os.getpid(), other.pid):
        for name in ("resident_memory_bytes", "open_fds"):
            assert found[f'triton_embed_process_{name}{{pid="{pid}"}}'] > 0
        assert found[f'triton_embed_process_cpu_seconds_total{{pid="{pid}"}}'] >= 0
    assert text.count("# TYPE triton_embed_process_cpu_seconds_total counter") == 1
    (build,) = (name for name in found if name.startswith("triton_embed_build_info"))
    assert f'version="{__version__}"' in build and found[build] == 1
