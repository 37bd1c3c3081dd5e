"""The command ``embed`` in front of real models, with kills of the client and of the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.docstrings import pairs
from testing.corpora import outcome, read_output, start_embed, write_texts
from testing.server import RunningServer
from testing.waiting import eventually

TEXTS = [pair.passage for pair in pairs(400)]
TOLERANCE = 1e-5
"""Maximum difference between vectors of one text in different batches."""


def rows(table: pa.Table) -> tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return table["id"].to_pylist(), np.array(table["embedding"].to_pylist(), np.float32)


def finish(arguments: Sequence[str], server: RunningServer, victim: str = "") -> str:
    """Run the command to its end, with a kill of a process of the server; return the summary."""
    process = start_embed(*arguments, "--url", server.url)
    if victim:
        server.kill(victim)
    summary, errors = process.communicate()
    if process.returncode == 3:
        # The server was unavailable for longer than the command waits at its start.
        return finish(arguments, server)
    assert process.returncode == 0, errors
    return summary


def run_shards(arguments: Sequence[str], count: int) -> None:
    """Run all shards of the command at the same time."""
    processes = [
        start_embed(*arguments, RANK=str(rank), WORLD_SIZE=str(count)) for rank in range(count)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


def test_killed_run_and_shards_equal_the_run_of_an_offline_server(
    own_tiny_repository: Path, tmp_path: Path
) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS)
    options = "--model tiny --truncate END --part-rows 40"
    common = (str(tmp_path / "a.jsonl"), *options.split())
    offline = ("--output", str(tmp_path / "offline"), "--repository", str(own_tiny_repository))
    process = start_embed(*common, *offline)
    summary, errors = process.communicate()
    assert process.returncode == 0, errors
    assert outcome(summary) == (10, 0, 400, 400, 0)

    output = tmp_path / "killed"
    arguments = (*common, "--output", str(output))
    with RunningServer(own_tiny_repository) as server:
        process = start_embed(*arguments, "--url", server.url)
        eventually(lambda: list(output.glob("_parts/*.json")), message="a part is finished")
        process.kill()
        process.communicate()
        for victim in ("bin/tritonserver", "-m triton_embed gateway"):
            summary = finish(arguments, server, victim)
            (output / "_parts" / "part-00000-00003.json").unlink()
        summary = finish(arguments, server)
        run_shards((*common, "--output", str(tmp_path / "shards"), "--url", server.url), 2)
    assert outcome(summary)[2:] == (400, 400, 0)
    expected_ids, expected = rows(read_output(tmp_path / "offline"))
    for folder in (output, tmp_path / "shards"):
        ids, vectors = rows(read_output(folder))
        assert ids == expected_ids
        np.testing.assert_allclose(vectors, expected, atol=TOLERANCE)
