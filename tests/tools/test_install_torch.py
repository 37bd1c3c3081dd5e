"""tools/install_torch.sh selects the build of PyTorch; pip is a stand-in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from testing.paths import ROOT

CPU_INDEX = "https://download.pytorch.org/whl/cpu"

PYTHON = """#!/bin/sh
case "$*" in
  *"config list") echo "$PIP_SETTINGS" ;;
  *"index versions torch"*) echo "asked for $*" >&2; exit "$INDEX_STATUS" ;;
  "-c "*) exit "$TORCH_STATUS" ;;
  *) echo "$*" ;;
esac
"""
"""Stand-in for the environment's Python; an installation prints its arguments."""


def install(folder: Path, **environment: str) -> tuple[str, str]:
    """Return the message and pip's arguments; there is no GPU, and the CPU index responds."""
    programs = {"python": PYTHON, "nvidia-smi": "#!/bin/sh\nexit $GPU_STATUS\n"}
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name != "TORCH_INDEX"}
    defaults = {"PIP_SETTINGS": "", "INDEX_STATUS": "0", "TORCH_STATUS": "1", "GPU_STATUS": "9"}
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    output = subprocess.check_output(
        [ROOT / "tools" / "install_torch.sh", folder / "python"],
        cwd=ROOT,
        env={**inherited, **defaults, "PATH": path, **environment},
        text=True,
    )
    *message, arguments = output.splitlines()
    assert arguments.startswith("-m pip install -c constraints.txt ")
    assert " torch==" in arguments
    return "\n".join(message), arguments


def test_machine_without_gpu_gets_the_cpu_build(tmp_path: Path) -> None:
    message, arguments = install(tmp_path)
    assert f"--extra-index-url {CPU_INDEX} " in arguments
    assert CPU_INDEX in message


def test_machine_with_gpu_gets_the_default_build(tmp_path: Path) -> None:
    message, arguments = install(tmp_path, GPU_STATUS="0")
    assert "index" not in arguments
    assert "CUDA" in message


@pytest.mark.parametrize(
    "settings",
    [
        "global.index-url='https://mirror.example/simple'",
        "install.extra-index-url='https://mirror.example/simple'",
        ":env:.no-index='1'",
    ],
)
def test_configured_index_is_respected(tmp_path: Path, settings: str) -> None:
    message, arguments = install(tmp_path, PIP_SETTINGS=f"global.timeout='60'\n{settings}")
    assert "index" not in arguments
    assert "TORCH_INDEX" in message


def test_pypi_is_used_if_the_cpu_index_does_not_respond(tmp_path: Path) -> None:
    message, arguments = install(tmp_path, INDEX_STATUS="1")
    assert "index" not in arguments
    assert f"{CPU_INDEX} does not respond" in message
    assert "TORCH_INDEX" in message


def test_torch_index_takes_precedence(tmp_path: Path) -> None:
    mirror = "https://mirror.example/cpu"
    settings = "global.index-url='https://mirror.example/simple'"
    _, arguments = install(tmp_path, PIP_SETTINGS=settings, TORCH_INDEX=mirror)
    assert f"--extra-index-url {mirror} " in arguments


def test_installed_build_is_kept(tmp_path: Path) -> None:
    _, arguments = install(tmp_path, TORCH_STATUS="0")
    assert "index" not in arguments
