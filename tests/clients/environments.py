"""One virtual environment per client, kept until its requirements change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.clients.catalog import Client

PYTEST = "pytest==9.2.0"


class CommandFailed(Exception):
    """A command ended with an error; the text is its output."""


def prepare(client: Client, folder: Path) -> Path:
    """Return the Python of the environment in `folder`, created if necessary.

    Raises:
        CommandFailed: The requirements cannot be installed.
    """
    python = folder / "bin" / "python"
    requirements = [PYTEST, *client.requirements.split()]
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text().split() != requirements:
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(folder)])
        run([str(python), "-m", "pip", "install", "--quiet", *requirements])
        installed.write_text("\n".join(requirements))
    return python


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> None:
    """Run `command` for at most `seconds`.

    Raises:
        CommandFailed: The exit status is not 0, or the time limit has passed.
    """
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        output += f"\nstopped after {seconds:.0f} s"
    if process.returncode:
        raise CommandFailed(output)
