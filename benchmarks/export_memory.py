"""Measure the peak memory of exporting large models, relative to the size of their weights."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import checkpoints
from testing.paths import ROOT

MODELS = ("e5-large-size", "llama-1b-width")

MAX_RATIO = 3.0
"""Maximum peak memory, without the imported libraries, in sizes of the weights."""

CHILD = """
import os, sys
from triton_embed.runtime.processes import peak_rss_bytes, rss_bytes
import triton_embed.export.exporter, torch.onnx
from triton_embed.cli import main
before = rss_bytes(os.getpid())
status = main(["export", *sys.argv[1:]])
print(before, peak_rss_bytes())
sys.exit(status)
"""


def measure(checkpoint: Path, repository: Path) -> tuple[int, int, int]:
    """Export, and return the bytes of the weights, the libraries' memory, and the peak.

    Memory is the resident memory of the process, mapped files included.
    """
    weights = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors"))
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(checkpoint), "--model-repository", str(repository)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    before, peak = child.stdout.splitlines()[-1].split()
    return weights, int(before), int(peak)


def main() -> int:
    """Print a table and return 0 if every export stays below `MAX_RATIO`."""
    program = "python -m benchmarks.export_memory"
    argparse.ArgumentParser(prog=program, description=__doc__).parse_args()
    print("| model | weights, MB | libraries, MB | peak, MB | (peak - libraries) / weights |")
    print("|---|---:|---:|---:|---:|", flush=True)
    worst = 0.0
    for name in MODELS:
        with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
            checkpoint = checkpoints.checkpoint(name, Path(folder))
            weights, before, peak = measure(checkpoint, Path(folder) / "repository")
        ratio = (peak - before) / weights
        worst = max(worst, ratio)
        sizes = " | ".join(f"{size / 1e6:.0f}" for size in (weights, before, peak))
        print(f"| {name} | {sizes} | {ratio:.2f} |", flush=True)
    return 0 if worst < MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
