"""Runs of the command ``embed`` in tests, and their output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from testing.paths import ROOT

OUTCOME = ("parts", "parts_skipped", "rows", "embedded", "rejected")
"""Fields of the summary that do not depend on time."""


def write_texts(path: Path, texts: Sequence[str]) -> Path:
    """Write texts as JSONL, with the ids ``id-0``, ``id-1`` and so on."""
    rows = [{"id": f"id-{index}", "text": text} for index, text in enumerate(texts)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def start_embed(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start ``triton-embed embed`` with `arguments`."""
    return subprocess.Popen(
        [sys.executable, "-m", "triton_embed", "embed", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_output(folder: Path) -> pa.Table:
    """Return all rows of an output folder, in the order of the parts."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("part-*.parquet")))


def outcome(summary: str) -> tuple[Any, ...]:
    """Return the fields `OUTCOME` of a summary, the last line of the output."""
    found = json.loads(summary.strip().splitlines()[-1])
    return tuple(found[name] for name in OUTCOME)
