"""The service to measure: a running one, or one that the benchmark starts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory

from benchmarks import checkpoints
from benchmarks.checkouts import THIS
from testing.minilm import MINILM
from testing.server import RunningServer

MODEL_ID = MINILM
"""Model id of the default model."""


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        url: Base URL of its HTTP API.
        pid: Its top process on this machine, if known.
    """

    url: str
    pid: int | None = None


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flag that selects the server to measure."""
    parser.add_argument(
        "--url",
        help="a running service with the default model, exported with '--matryoshka any' "
        "(default: start one on free ports)",
    )


@contextmanager
def running(url: str | None, pid: int | None = None) -> Iterator[Server]:
    """Yield the server at `url`, or export the default model and serve it while in the block."""
    if url:
        yield Server(url.rstrip("/"), pid)
        return
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        repository = Path(folder) / "repository"
        THIS.export(checkpoints.MINILM_FOLDER, repository, MODEL_ID, "--matryoshka", "any")
        with RunningServer(repository) as service:
            yield Server(service.url, service.process.pid)


def conditions() -> str:
    """Return one line about this machine and the versions of the libraries that compute."""
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    packages = ("nvidia-pytriton", "onnxruntime", "tokenizers")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{cpu_count()} cores ({cpu}); Python {python_version()}, {versions}"
