"""Run the blocks of a document as a reader would, and compare their output with the printed one."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from testing.documents import Block
from testing.paths import ROOT
from testing.server import READY, STOP_SECONDS

BLOCK_SECONDS = 300.0
"""Deadline of a block; an export or the start of a service takes up to a minute."""

TOLERANCE = 1e-4
"""Largest difference between a number that is printed in a document and the real one."""

NOT_LINKED = {".git", ".venv", "model_repository"}
"""Entries of the checkout that a reader's folder has no link to."""

ENVIRONMENT_BUILDER = """
import sys, sysconfig, venv
venv.create(sys.argv[1], with_pip=False, symlinks=True)
"""


def reader_folder(folder: Path) -> Path:
    """Return `folder` with links to the checkout's entries and an environment of its own.

    The environment sees the packages of this process' environment; what a block installs with pip
    stays in the folder.
    """
    for entry in ROOT.iterdir():
        if entry.name not in NOT_LINKED:
            (folder / entry.name).symlink_to(entry)
    environment = folder / ".venv"
    subprocess.run([sys.executable, "-c", ENVIRONMENT_BUILDER, str(environment)], check=True)
    python = environment / "bin" / "python"
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "outer.pth").write_text(
        "".join(f"{path}\n" for path in (str(ROOT), *sys.path) if Path(path).is_dir())
    )
    for name, module in (("pip", "pip"), ("triton-embed", "triton_embed")):
        script = environment / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n')
        script.chmod(0o755)
    # What `make` would set up is there.
    (environment / ".serve").touch()
    return folder


class Reader:
    """Someone who runs the blocks of a document in a folder.

    Args:
        folder: From `reader_folder`.
        addresses: Replacements in every block, such as the ports of a running service.
        environment: Further environment variables.
    """

    def __init__(
        self, folder: Path, addresses: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._addresses = addresses
        path = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._environment = {
            **os.environ,
            "PATH": path,
            # Everything is installed; nothing may be downloaded.
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_ROOT_USER_ACTION": "ignore",
            **environment,
        }

    def run(self, block: Block) -> None:
        """Run a block.

        Raises:
            AssertionError: It fails, or its output is not the printed one.
        """
        text = block.text
        for printed, actual in self._addresses.items():
            text = text.replace(printed, actual)
        command = ["bash", "-euo", "pipefail", "-c", text]
        if block.language == "python":
            command = [str(self._folder / ".venv" / "bin" / "python"), "-W", "ignore", "-c", text]
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if block.until_ready:
            self._stop_when_ready(block, process)
            return
        try:
            output, errors = process.communicate(timeout=BLOCK_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == 0, f"{block.place} fails:\n{output}{errors}"
        if block.output is not None:
            difference = compare(block.output, output)
            assert not difference, f"{block.place} prints {difference}:\n{output}"

    def _stop_when_ready(self, block: Block, process: subprocess.Popen[str]) -> None:
        """Wait until the service is ready and interrupt it, as Ctrl-C does."""
        assert process.stderr is not None
        timer = threading.Timer(BLOCK_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        lines: list[str] = []
        try:
            for line in process.stderr:
                lines.append(line)
                if READY in line:
                    os.killpg(process.pid, signal.SIGINT)
                    break
            else:
                raise AssertionError(f"{block.place} is never ready:\n{''.join(lines)}")
            process.communicate(timeout=STOP_SECONDS)
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def compare(printed: str, actual: str) -> str:
    """Return the difference between a printed output and the actual one; empty if there is none.

    White space does not count, ``…`` stands for any text, and decimal numbers may differ by
    `TOLERANCE`.
    """
    printed, actual = "".join(printed.split()), "".join(actual.split())
    expected = [float(number) for number in NUMBER.findall(printed)]
    pattern = r"(-?\d+\.\d+(?:e-?\d+)?)".join(
        ".*".join(map(re.escape, part.split("…"))) for part in NUMBER.split(printed)
    )
    found = re.fullmatch(pattern, actual)
    if not found:
        return f"not\n{printed}\nbut"
    for number, group in zip(expected, found.groups(), strict=True):
        if not math.isclose(number, float(group), abs_tol=TOLERANCE):
            return f"{group} instead of {number}"
    return ""
