"""A server for the duration of a run, from a model repository."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from triton_embed.corpus.errors import ServerGone
from triton_embed.runtime.parent import ending_with_this_process

POLL_SECONDS = 0.2
"""Seconds between two probes of the starting server, which takes seconds."""

MAX_START_SECONDS = 900.0
"""Time in seconds after which the model should be loaded: a TensorRT engine is built, or tens of
gigabytes are read, in less. The run ends if it takes longer."""

TIMEOUT_SECONDS = 10.0
"""Maximum time in seconds for one probe of the starting server."""

LAST_LINES = 15
"""Lines of the server's log that an error shows."""

PUBLIC_SETTINGS = ("API_KEYS", "ROOT_PATH", "TLS_CERTIFICATE", "TLS_KEY")
"""Settings for a public server, which this one ignores: it serves this run only."""


@contextmanager
def serving(repository: Path, model: str) -> Iterator[str]:
    """Serve a model repository on a free port of this machine, and yield the base URL.

    If this process is killed, the server ends, too. Call it in the main thread.

    Args:
        repository: The model repository.
        model: The model id, which is waited for.

    Raises:
        ServerGone: the server ended, or `MAX_START_SECONDS` passed, before the model was loaded;
            the message has the last lines of the server's log.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "triton_embed", "serve", "--model-repository", str(repository)),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    hidden = {f"TRITON_EMBED_{name}" for name in PUBLIC_SETTINGS}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    with TemporaryDirectory(prefix="triton-embed-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ending_with_this_process(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            _wait_until_loaded(process, f"{url}/v1/models/{quote(model)}", log)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _wait_until_loaded(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + MAX_START_SECONDS
    while not _is_decided(url):
        if process.poll() is not None:
            raise ServerGone(f"the server ended before it was ready:\n{_last_lines(log)}")
        if time.monotonic() > deadline:
            raise ServerGone(
                f"the server has not loaded the model in {MAX_START_SECONDS:.0f} s; the last lines "
                f"of its log are:\n{_last_lines(log)}"
            )
        time.sleep(POLL_SECONDS)


def _is_decided(url: str) -> bool:
    """Return whether the model at `url` is served, or is not one of the server's."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code != HTTPStatus.SERVICE_UNAVAILABLE
    except OSError:
        return False


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
