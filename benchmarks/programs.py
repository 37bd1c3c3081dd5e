"""Servers of other projects, started for a measurement."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx

START_SECONDS = 180
"""Deadline in seconds of a start, in which a server may embed some batches: slow on few cores."""

STOP_SECONDS = 30
"""Seconds from SIGTERM to SIGKILL."""

POLL_SECONDS = 0.5
"""Pause between two requests for the health of a starting server."""


@contextmanager
def running(
    name: str, command: Sequence[str], health_url: str, environment: Mapping[str, str]
) -> Iterator[None]:
    """Run `command` while in the block, which is entered when `health_url` responds with success.

    Args:
        name: The server's name in messages.
        command: The program and its arguments.
        health_url: Address of its health check.
        environment: Variables in addition to those of this process.

    Raises:
        SystemExit: The program cannot be started, or is not ready in time.
    """
    with TemporaryDirectory(prefix="triton-embed-peer-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            try:
                process = subprocess.Popen(
                    command,
                    env={**os.environ, **environment},
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise SystemExit(f"{name} cannot be started: {error}") from None
        try:
            _wait(name, health_url, process, log)
            yield
        finally:
            _stop(process)


def _wait(name: str, health_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + START_SECONDS
    while process.poll() is None and monotonic() < deadline:
        try:
            if httpx.get(health_url).is_success:
                return
        except httpx.TransportError:
            pass
        sleep(POLL_SECONDS)
    output = log.read_text(encoding="utf-8", errors="replace").strip()
    raise SystemExit(f"{name} is not ready; its output: {output[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def version(command: str) -> str:
    """Return the output of ``command --version``, or an empty text if there is none."""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
