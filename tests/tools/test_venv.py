"""tools/venv.sh on a machine whose only Python is too new; uv is a stand-in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testing.paths import ROOT

UTILITIES = ("getconf", "id", "mktemp", "rm", "sh", "sort", "tail", "timeout", "uname")

PYTHON_3_13 = """#!/bin/sh
case "$2" in
  *print*) echo 3.13 ;;
  *) exit 1 ;;
esac
"""

UV = """#!/bin/sh
case "$*" in
  "python find --no-project"*) {found} ;;
  "python install 3.12") {installed} ;;
  "python find --managed-python 3.12") echo "{python}" ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The only folder in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in UTILITIES:
        (folder / name).symlink_to(shutil.which(name) or name)
    write_program(folder / "python3", PYTHON_3_13)
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def make_venv(programs: Path, *, found: str, installed: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a uv that finds, and installs, a Python with the given commands."""
    text = UV.format(found=found, installed=installed, python=sys.executable)
    write_program(programs / "uv", text)
    return subprocess.run(
        [ROOT / "tools" / "venv.sh", programs.parent / "venv"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_python_that_uv_knows_is_used(programs: Path) -> None:
    done = make_venv(programs, found=f'echo "{sys.executable}"', installed="exit 1")
    assert done.returncode == 0, done.stderr
    assert (programs.parent / "venv" / "bin" / "pip").exists()
    assert "Downloading" not in done.stdout


def test_python_3_12_is_downloaded(programs: Path) -> None:
    done = make_venv(programs, found="exit 1", installed="exit 0")
    assert done.returncode == 0, done.stderr
    assert "this machine has 3.13" in done.stdout
    assert (programs.parent / "venv" / "bin" / "pip").exists()


def test_failed_download_ends_with_one_line_that_states_the_remedy(programs: Path) -> None:
    done = make_venv(programs, found="exit 1", installed="exit 1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Python 3.12 could not be downloaded" in line
    assert "PYTHON=/path/to/python3.12" in line
    assert not (programs.parent / "venv").exists()
