"""Measure the start of the whole service, and the memory of each of its processes."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import checkpoints
from benchmarks.checkouts import THIS
from benchmarks.comparison import ONE_WORKER
from benchmarks.overhead import TEXT
from benchmarks.server import MODEL_ID, conditions
from testing.server import RunningServer
from triton_embed.contract import pipelines
from triton_embed.runtime.processes import pss_bytes

PROCESSES = {
    "gateway": THIS.gateway,
    "tritonserver": "bin/tritonserver",
    **{step.name: f"_{step.name}" for step in pipelines.TEXT.steps},
}
"""Text in the command line of each process, by its name."""


def main() -> None:
    """Export MiniLM, serve it, and print a table."""
    argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__).parse_args()
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        repository = Path(folder) / "repository"
        THIS.export(checkpoints.MINILM_FOLDER, repository, MODEL_ID)
        start = perf_counter()
        with RunningServer(repository, environment=ONE_WORKER) as service:
            seconds = perf_counter() - start
            service.vectors(MODEL_ID, [TEXT] * 32)
            pids = {"supervisor": service.process.pid}
            pids |= {name: service.descendants(text)[0] for name, text in PROCESSES.items()}
            sizes = {name: pss_bytes(pid) / 1e6 for name, pid in pids.items()}
    print(f"{conditions()}; ready after {seconds:.1f} s\n\n| process | MB |\n|---|---:|")
    for name, size in {**sizes, "total": sum(sizes.values())}.items():
        print(f"| {name} | {size:.0f} |")
    print("\nMemory is proportional set size (PSS): shared pages count once.")


if __name__ == "__main__":
    main()
