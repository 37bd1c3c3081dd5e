"""Kill ``triton-embed embed`` and its server at random moments; compare with an undisturbed run."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.checkouts import THIS
from benchmarks.checkpoints import MINILM_FOLDER
from benchmarks.server import MODEL_ID
from benchmarks.texts import SEED, corpus_texts
from testing.corpora import read_output, start_embed, write_texts
from testing.server import RunningServer

COMMAND, COMMIT = "embed", "embed, within a commit"
"""Victims: the command after a random time, and once a part has its name but no record yet."""

VICTIMS = (COMMAND, "bin/tritonserver", COMMIT, "-m triton_embed gateway")
"""Killed in turn: the command, or text in the command line of a process of its server."""

PART_ROWS = 50
"""Rows of each part: so few that many kills hit the renames of a part and of its record."""

MAX_SECONDS = 6.0
"""Maximum time in seconds from the start of the command to the kill."""

TOLERANCE = 1e-5
"""Maximum difference between vectors of one text in different batches."""

UNAVAILABLE = 3
"""Exit status of the command if the server is unavailable for longer than it waits."""


class Disturbed(NamedTuple):
    """The end of a disturbed run.

    Attributes:
        was_running: Whether it was running at the time of the kill.
        has_finished: Whether it finished in spite of the kill.
    """

    was_running: bool
    has_finished: bool


@dataclass(frozen=True)
class Corpus:
    """A run of the command on a server, with output folders of its own.

    Attributes:
        server: The server.
        arguments: Arguments of all runs.
        folder: The folder of the output folders.
    """

    server: RunningServer
    arguments: Sequence[str]
    folder: Path

    def start(self, output: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command with an output folder."""
        return start_embed(*self.arguments, "--output", str(self.folder / output), **environment)

    def finish(self, output: str) -> None:
        """Run the command to its end, however long its server is unavailable."""
        while not self._has_finished(self.start(output)):
            continue

    def disturb(self, output: str, victim: str, seconds: float) -> Disturbed:
        """Start the command, and kill the victim.

        Raises:
            RuntimeError: the command failed for another reason.
        """
        before = self.unrecorded(output)
        process = self.start(output)
        if victim == COMMIT:
            while process.poll() is None and not self.unrecorded(output) - before:
                continue
        else:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        was_running = process.poll() is None
        if was_running and victim in (COMMAND, COMMIT):
            process.kill()
        elif was_running:
            self.server.kill(victim)
        return Disturbed(was_running, self._has_finished(process))

    def unrecorded(self, output: str) -> set[str]:
        """Return the names of the parts that have been written, but not recorded."""
        # Parts first: a part that is recorded meanwhile is not one without a record.
        parts = {path.stem for path in (self.folder / output).glob("part-*")}
        return parts - {path.stem for path in self.records(output)}

    def records(self, output: str) -> list[Path]:
        """Return the records of the finished parts."""
        return sorted((self.folder / output).glob("_parts/*.json"))

    def shards(self, output: str, count: int) -> None:
        """Run all shards of the command at the same time.

        Raises:
            RuntimeError: a shard failed.
        """
        size = str(count)
        running = [self.start(output, RANK=str(each), WORLD_SIZE=size) for each in range(count)]
        if not all([self._has_finished(process) for process in running]):
            raise RuntimeError("the server became unavailable")

    @staticmethod
    def _has_finished(process: subprocess.Popen[str]) -> bool:
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
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as path:
        folder = Path(path)
        THIS.export(MINILM_FOLDER, folder / "repository", MODEL_ID)
        file = write_texts(folder / "a.jsonl", corpus_texts(options.texts))
        with RunningServer(folder / "repository") as server:
            flags = f"--url {server.url} --model {MODEL_ID} --truncate END --part-rows {PART_ROWS}"
            corpus = Corpus(server, (str(file), *flags.split()), folder)
            corpus.finish("undisturbed")
            corpus.shards("shards", 2)
            disturb_all(corpus, options.kills, random.Random(options.seed))
            corpus.finish("disturbed")
        expected = read_output(folder / "undisturbed")
        problems = [
            *differences(read_output(folder / "shards"), expected),
            *differences(read_output(folder / "disturbed"), expected),
            *(f"'{left.name}' remains" for left in folder.glob("*/.*")),
        ]
    print("\n".join(problems) or "ok")
    return 1 if problems else 0


def disturb_all(corpus: Corpus, kills: int, generator: random.Random) -> None:
    """Kill the victims in turn during runs of the command, and print each kill."""
    done = 0
    while done < kills:
        victim, seconds = VICTIMS[done % len(VICTIMS)], generator.uniform(0.0, MAX_SECONDS)
        was_running, has_finished = corpus.disturb("disturbed", victim, seconds)
        done += was_running
        records, unrecorded = corpus.records("disturbed"), corpus.unrecorded("disturbed")
        if was_running:
            time = "" if victim == COMMIT else f" after {seconds:.2f} s"
            counts = f"{len(records)} parts, {len(unrecorded)} without a record"
            print(f"{done}: {victim}{time}; {counts}", flush=True)
        if has_finished:
            # Embed some parts again, so that the next kill hits a run in progress.
            for record in generator.sample(records, len(records) * 2 // 3):
                record.unlink()
                (corpus.folder / "disturbed" / f"{record.stem}.parquet").unlink()


if __name__ == "__main__":
    sys.exit(main())
