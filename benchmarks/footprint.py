"""Measures how long the whole service takes to start, and the memory of each of its processes."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import checkpoints
from benchmarks.overhead import ONE_GATEWAY, PROCESSES, TEXT
from benchmarks.processes import memory_bytes
from benchmarks.server import MODEL_ID, conditions
from testing.server import RunningServer


def main() -> None:
    """Export MiniLM, serve it, and print a table."""
    argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__).parse_args()
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        repository = Path(folder) / "repository"
        checkpoints.export(checkpoints.MINILM_FOLDER, repository, MODEL_ID)
        start = perf_counter()
        with RunningServer(repository, environment=ONE_GATEWAY) as service:
            seconds = perf_counter() - start
            service.vectors(MODEL_ID, [TEXT] * 32)
            pids = {"supervisor": service.process.pid}
            pids |= {name: service.descendants(part)[0] for name, part in PROCESSES.items()}
            sizes = {name: memory_bytes("Pss", pid) / 1e6 for name, pid in pids.items()}
    print(f"{conditions()}; ready after {seconds:.1f} s\n\n| process | MB |\n|---|---:|")
    for name, size in {**sizes, "together": sum(sizes.values())}.items():
        print(f"| {name} | {size:.0f} |")
    print("\nMemory is proportional (PSS): what processes share counts once.")


if __name__ == "__main__":
    main()
