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

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import programs
from benchmarks.peers import Peer
from benchmarks.server import MODEL_ID
from testing.ports import free_ports

FLAGS = ("--engine", "torch", "--device", "cpu")

ENVIRONMENT = {"DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}


@contextmanager
def running(command: str, checkpoint: Path) -> Iterator[Peer]:
    """Serve `checkpoint` with infinity on the CPU while in the block, as the model `MODEL_ID`.

    Args:
        command: The program ``infinity_emb``.
        checkpoint: A folder in the format of sentence-transformers.

    Raises:
        SystemExit: The program cannot be started, or is not ready in time.
    """
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = [
        *("v2", *FLAGS, "--model-id", str(checkpoint), "--served-model-name", MODEL_ID),
        *("--host", "127.0.0.1", "--port", str(port), "--url-prefix", "/v1"),
        *("--log-level", "warning"),
    ]
    description = f"infinity_emb v2 {' '.join(FLAGS)}"
    with programs.running("infinity", [command, *arguments], f"{url}/health", ENVIRONMENT):
        yield Peer("infinity", f"{url}/v1", MODEL_ID, description=description)
