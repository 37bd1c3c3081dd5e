"""Kill ``triton-embed embed`` and its server at random moments; compare with an undisturbed run."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from benchmarks.checkouts import THIS
from benchmarks.checkpoints import MINILM_FOLDER
from benchmarks.server import MODEL_ID
from benchmarks.texts import SEED, corpus_texts
from testing.corpora import read_output, start_embed, write_texts
from testing.server import RunningServer

VICTIMS = ("embed", "bin/tritonserver", "embed", "-m triton_embed gateway")
"""Killed in turn: the command, and text in the command line of a process of its server."""

PART_ROWS = 100
"""Rows of each part: so few that many kills hit the renames of a part and of its record."""

MAX_SECONDS = 4.0
"""Maximum time in seconds from the start of the command to the kill."""

TOLERANCE = 1e-5
"""Maximum difference between vectors of one text in different batches."""

UNAVAILABLE = 3
"""Exit status of the command if the server is unavailable for longer than it waits."""


def disturb(arguments: Sequence[str], server: RunningServer, victim: str, seconds: float) -> bool:
    """Start the command, kill the victim, and return whether the command has finished.

    Raises:
        RuntimeError: the command failed for another reason.
    """
    process = start_embed(*arguments)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        if victim == "embed":
            process.kill()
        else:
            server.kill(victim)
    _, errors = process.communicate()
    if process.returncode not in (0, -9, UNAVAILABLE):
        raise RuntimeError(errors)
    return process.returncode == 0


def differences(found: pa.Table, expected: pa.Table) -> list[str]:
    """Return how the rows of two outputs differ, in order."""
    if found["id"].to_pylist() != expected["id"].to_pylist():
        return [f"{found.num_rows} rows, {expected.num_rows} expected; or their ids differ"]
    vectors = [
        np.stack(table["embedding"].to_numpy(zero_copy_only=False)) for table in (found, expected)
    ]
    deviation = float(np.abs(vectors[0] - vectors[1]).max())
    print(f"{found.num_rows} rows with equal ids; maximum difference of vectors {deviation:.1e}")
    return [] if deviation < TOLERANCE else [f"vectors differ by {deviation:.1e}"]


def main() -> int:
    """Kill, continue and compare; return 1 if the outputs differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="kills (default: %(default)s)")
    parser.add_argument("--texts", type=int, default=6000, help="texts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="seed (default: %(default)s)")
    options = parser.parse_args()
    generator = random.Random(options.seed)
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as path:
        folder = Path(path)
        THIS.export(MINILM_FOLDER, folder / "repository", MODEL_ID)
        file = write_texts(folder / "a.jsonl", corpus_texts(options.texts))
        with RunningServer(folder / "repository") as server:
            options_of_all = f"--url {server.url} --truncate END --part-rows {PART_ROWS}"
            common = (str(file), "--model", MODEL_ID, *options_of_all.split())
            undisturbed = (*common, "--output", str(folder / "undisturbed"))
            while not disturb(undisturbed, server, "embed", float("inf")):
                continue
            disturbed = (*common, "--output", str(folder / "disturbed"))
            for number in range(options.kills):
                victim = VICTIMS[number % len(VICTIMS)]
                seconds = generator.uniform(0.0, MAX_SECONDS)
                finished = disturb(disturbed, server, victim, seconds)
                parts = sorted((folder / "disturbed").glob("_parts/*.json"))
                print(
                    f"{number + 1}: {victim} after {seconds:.2f} s; {len(parts)} parts", flush=True
                )
                if finished:
                    # Embed some parts again, so that the next kill hits a run in progress.
                    for record in generator.sample(parts, len(parts) * 2 // 3):
                        record.unlink()
            while not disturb(disturbed, server, "embed", float("inf")):
                continue
        problems = differences(
            read_output(folder / "disturbed"), read_output(folder / "undisturbed")
        )
        problems += [f"'{left.name}' remains" for left in (folder / "disturbed").glob(".*")]
    print("\n".join(problems) or "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
