"""Runs that are killed at the worst moments, and the runs that continue them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testing.corpora import outcome, read_output, start_embed, write_texts
from testing.embedding_api import EmbeddingApi, vectors
from testing.paths import ROOT

TEXTS = [f"text {index}" for index in range(30)]
PART_ROWS = 10

KILLED_AT_RENAME = """
import os, signal, sys
from pathlib import Path
from triton_embed.cli import main

renames, moment, *arguments = sys.argv[1:]
rename, count = Path.replace, 0

def replace(path, target):
    global count
    count += 1
    if moment == "before" and count == int(renames):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(path, target)
    if moment == "after" and count == int(renames):
        os.kill(os.getpid(), signal.SIGKILL)

Path.replace = replace
main(arguments)
"""
"""A run that kills itself before or after a rename. Each part has two: that of the vectors
and that of the record."""


@pytest.fixture
def api() -> EmbeddingApi:
    return EmbeddingApi()


@pytest.fixture
def arguments(api: EmbeddingApi, tmp_path: Path) -> Iterator[list[str]]:
    write_texts(tmp_path / "a.jsonl", TEXTS)
    with api.listening() as url:
        yield [
            *(str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "out"), "--model", "m"),
            *("--url", url, "--part-rows", str(PART_ROWS)),
        ]


def finish(arguments: list[str], output: Path) -> tuple[Any, ...]:
    """Continue a run, check its rows, and return its outcome."""
    process = start_embed(*arguments)
    summary, errors = process.communicate()
    assert process.returncode == 0, errors
    table = read_output(output)
    assert table["id"].to_pylist() == [f"id-{index}" for index in range(len(TEXTS))]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist()), vectors(TEXTS))
    assert not list(output.glob(".*"))
    return outcome(summary)


@pytest.mark.parametrize(
    ("renames", "moment", "finished"),
    [(1, "before", 0), (1, "after", 0), (2, "before", 0), (2, "after", 1), (5, "after", 2)],
)
def test_run_killed_around_a_rename_is_continued(
    renames: int, moment: str, finished: int, arguments: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED_AT_RENAME, str(renames), moment, "embed", *arguments]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert killed.returncode == -9, killed.stderr
    assert finish(arguments, tmp_path / "out") == (3, finished, 30, 30, 0)


def test_run_killed_while_it_sends_is_continued(
    api: EmbeddingApi, arguments: list[str], tmp_path: Path
) -> None:
    running: list[subprocess.Popen[str]] = []

    def kill(body: dict[str, Any]) -> None:
        if "text 20" in body["input"]:
            running.pop().kill()

    api.first = lambda body: kill(body) if running else None
    running.append(start_embed(*arguments))
    (process,) = running
    process.communicate()
    assert process.returncode == -9
    assert finish(arguments, tmp_path / "out")[2:] == (30, 30, 0)


def test_two_shards_at_the_same_time_write_the_same_rows(
    arguments: list[str], tmp_path: Path
) -> None:
    shards = [start_embed(*arguments, RANK=str(rank), WORLD_SIZE="2") for rank in range(2)]
    for process in shards:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert finish(arguments, tmp_path / "out") == (3, 3, 30, 30, 0)
