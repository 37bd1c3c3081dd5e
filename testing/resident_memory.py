"""Measure the memory that an ONNX encoder adds to a process: ``python -m testing.resident_memory``.

A process of its own, because the memory that other tests have freed would be used again.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from testing.onnx_encoder import embed
from testing.paths import ROOT
from triton_embed.backends.onnxruntime.session import open_session
from triton_embed.runtime.processes import rss_bytes

ROWS = [[5] * 9, [5] * 32, [5] * 20]
"""Token ids that every model has, of few texts: the states take little memory beside weights."""


def added_bytes(model: Path) -> int:
    """Return the resident bytes that the ONNX file `model` adds, once it has run."""
    output = subprocess.check_output(
        [sys.executable, "-m", "testing.resident_memory", str(model)], cwd=ROOT, text=True
    )
    return int(output)


def main() -> None:
    """Open the model that the command line names, run it, and print the added bytes."""
    before = rss_bytes(os.getpid())
    session = open_session(Path(sys.argv[1]), {})
    embed(session, ROWS)
    # Memory that is free but not yet returned depends on the allocator.
    ctypes.CDLL(None).malloc_trim(0)
    print(rss_bytes(os.getpid()) - before)


if __name__ == "__main__":
    main()
