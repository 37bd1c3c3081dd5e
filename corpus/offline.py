"""A server for the duration of a run, from a model repository."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from triton_embed.corpus.errors import ServerGone
from triton_embed.runtime.health import is_gateway_ready
from triton_embed.runtime.parent import ending_with_this_process

POLL_SECONDS = 0.2
"""Seconds between two probes of the starting server, which takes seconds."""

LAST_LINES = 15
"""Lines of the server's log that an error shows."""

PUBLIC_SETTINGS = ("API_KEYS", "ROOT_PATH", "TLS_CERTIFICATE", "TLS_KEY")
"""Settings for a public server, which this one ignores: it serves this run only."""


@contextmanager
def serving(repository: Path) -> Iterator[str]:
    """Serve a model repository on a free port of this machine, and yield the base URL.

    If this process is killed, the server ends, too. Call it in the main thread.

    Raises:
        ServerGone: the server ended before it was ready; the message has its last lines.
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
            _wait_until_ready(process, url, log)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    while not is_gateway_ready(url):
        if process.poll() is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            shown = "\n".join(lines[-LAST_LINES:])
            raise ServerGone(f"the server ended before it was ready:\n{shown}")
        time.sleep(POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
