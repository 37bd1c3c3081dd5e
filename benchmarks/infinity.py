r"""The embedding server infinity, for comparison, in its own virtual environment.

It requires older packages than ours. These commands create its environment::

    python3.11 -m venv FOLDER
    FOLDER/bin/pip install "infinity-emb[torch,server]==0.0.78" torch==2.13.0 \
        optimum==1.27.0 transformers==4.48.3 sentence-transformers==3.4.1 fastapi==0.165.0 \
        starlette==1.10.0 uvicorn==0.32.1 typer==0.12.5 click==8.1.8 numpy==1.26.4

Pass ``--infinity FOLDER/bin/infinity_emb``. With ``optimum``, infinity uses BetterTransformer,
its default, which needs transformers before 4.49.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx

from benchmarks.server import MODEL_ID
from testing.ports import free_ports

START_SECONDS = 180
"""Deadline in seconds of its start, in which it embeds two batches: slow on few cores."""

STOP_SECONDS = 30
"""Seconds from SIGTERM to SIGKILL."""


@contextmanager
def running(command: str, checkpoint: Path) -> Iterator[str]:
    """Serve `checkpoint` with infinity on the CPU while in the block, and yield its URL.

    Like our gateway, it provides ``/v1/embeddings`` and the model `MODEL_ID`. It ignores fields of
    our API that it does not have.

    Args:
        command: The program ``infinity_emb``.
        checkpoint: A folder in the format of sentence-transformers.

    Raises:
        SystemExit: The program cannot be started, or is not ready in time.
    """
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = [
        *("v2", "--engine", "torch", "--device", "cpu"),
        *("--model-id", str(checkpoint), "--served-model-name", MODEL_ID),
        *("--host", "127.0.0.1", "--port", str(port), "--url-prefix", "/v1"),
        *("--log-level", "warning"),
    ]
    environment = {**os.environ, "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    with TemporaryDirectory(prefix="triton-embed-infinity-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            try:
                process = subprocess.Popen(
                    [command, *arguments], env=environment, stdout=file, stderr=subprocess.STDOUT
                )
            except OSError as error:
                raise SystemExit(f"infinity cannot be started: {error}") from None
        try:
            _wait(url, process, log)
            yield url
        finally:
            _stop(process)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + START_SECONDS
    while process.poll() is None and monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health").is_success:
                return
        except httpx.TransportError:
            pass
        sleep(0.5)
    output = log.read_text(encoding="utf-8", errors="replace").strip()
    raise SystemExit(f"infinity is not ready; its output: {output[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
