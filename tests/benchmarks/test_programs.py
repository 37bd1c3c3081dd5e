from __future__ import annotations

import sys
from urllib.request import urlopen

import pytest

from benchmarks import programs
from testing.ports import free_ports


def test_program_runs_while_in_the_block() -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with programs.running("server", command, url, {}), urlopen(url) as response:
        assert response.status == 200
    with pytest.raises(OSError, match="refused"):
        urlopen(url)


def test_output_of_a_failed_start_is_reported() -> None:
    command = [sys.executable, "-c", "import os; raise SystemExit(os.environ['REASON'])"]
    with (
        pytest.raises(SystemExit, match="server is not ready; its output: no model"),
        programs.running("server", command, "http://127.0.0.1:9/", {"REASON": "no model"}),
    ):
        pass


def test_missing_program_is_reported() -> None:
    with (
        pytest.raises(SystemExit, match="server cannot be started"),
        programs.running("server", ["/no/such/program"], "http://127.0.0.1:9/", {}),
    ):
        pass
    assert programs.version("/no/such/program") == ""


def test_version_is_the_output_of_the_program() -> None:
    assert programs.version(sys.executable).startswith("Python 3")
