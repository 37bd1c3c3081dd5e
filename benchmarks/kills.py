"""Kill processes of the service under load: check responses, readiness, recovery and remains."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import checkpoints, server
from benchmarks.checked_load import CheckedLoad, CheckedRequest, checked_requests
from benchmarks.checkouts import THIS
from benchmarks.killing import GATEWAY, STEPS, SUPERVISOR, TRITON, WORKER, Kill, Killer
from testing.server import RunningServer

RATE = 25.0
"""Requests per second."""

MAX_UNREADY_SECONDS = 1.0
"""Maximum time in seconds from the kill of a step until ``/v1/health/ready`` is 503."""

OTHERS = (TRITON, WORKER, GATEWAY, SUPERVISOR)

TEXTS = (
    *("hello", "a longer text about the kill of a process", "naïve café", "word " * 60),
    *("one two three", "SELECT 1", "Where is the nearest station?", "x" * 200),
)


def victims(stubs_only: bool, kills: int, seed: int) -> list[str]:
    """Return the victims of `kills` kills, equally many of each kind, in random order."""
    kinds = STEPS if stubs_only else (*STEPS, *OTHERS)
    chosen = [kinds[number % len(kinds)] for number in range(kills)]
    random.Random(seed).shuffle(chosen)
    return chosen


async def run(
    service: RunningServer, requests: Sequence[CheckedRequest], chosen: Sequence[str], rate: float
) -> tuple[CheckedLoad, Killer]:
    """Kill each victim, after the service has recovered from the kill before, under load."""
    async with CheckedLoad(service.url, requests, rate) as load:
        killer = Killer(service, load, server.MODEL_ID)
        for number, victim in enumerate(chosen, 1):
            kill = await killer.kill(victim)
            print(f"{number}/{len(chosen)} {describe(kill)}", file=sys.stderr, flush=True)
        await killer.settle()
    return load, killer


def describe(kill: Kill) -> str:
    """Return one line about a kill."""
    unready = "-" if kill.unready_seconds is None else f"{kill.unready_seconds:.2f} s"
    return f"{kill.victim}: not ready after {unready}, ready after {kill.ready_seconds:.2f} s"


def report(load: CheckedLoad, kills: Sequence[Kill]) -> str:
    """Return the responses, and the recovery time of each kind of victim."""
    counts = Counter(load.outcomes)
    lines = [f"{sum(counts.values())} requests: {dict(sorted(counts.items()))}", ""]
    lines += [
        "| killed | kills | not ready after, max | recovery, median | max |",
        "|---|---|---|---|---|",
    ]
    for victim in dict.fromkeys(kill.victim for kill in kills):
        of_victim = [kill for kill in kills if kill.victim == victim]
        unready = [kill.unready_seconds for kill in of_victim if kill.unready_seconds is not None]
        ready = [kill.ready_seconds for kill in of_victim]
        lines.append(
            f"| {victim} | {len(of_victim)} | {f'{max(unready):.2f} s' if unready else '-'} "
            f"| {median(ready):.2f} s | {max(ready):.2f} s |"
        )
    return "\n".join(lines)


def violations(load: CheckedLoad, kills: Sequence[Kill], remains: Sequence[str]) -> list[str]:
    """Return the requirements that are not met."""
    found = [*load.violations, *remains]
    for number, kill in enumerate(kills, 1):
        late = kill.unready_seconds is None or kill.unready_seconds > MAX_UNREADY_SECONDS
        if kill.victim in STEPS and late:
            found.append(f"kill {number}, {describe(kill)}: later than {MAX_UNREADY_SECONDS} s")
    return found


@contextmanager
def running(folder: Path, workers: int) -> Iterator[RunningServer]:
    """Export the default model below `folder`, and serve it while in the block."""
    repository = folder / "repository"
    THIS.export(checkpoints.MINILM_FOLDER, repository, server.MODEL_ID)
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {"TMPDIR": str(temporary), "TRITON_EMBED_WORKERS": str(workers)}
    with RunningServer(repository, environment=environment) as service:
        yield service


def judge(kills: int, stubs_only: bool, rate: float, seed: int) -> bool:
    """Run the kills of one part, print the results, and return whether all requirements are met."""
    requests = checked_requests(server.MODEL_ID, checkpoints.MINILM_FOLDER, TEXTS)
    with TemporaryDirectory(prefix="triton-embed-kills-") as name:
        folder = Path(name)
        with running(folder, workers=1 if stubs_only else 2) as service:
            chosen = victims(stubs_only, kills, seed)
            load, killer = asyncio.run(run(service, requests, chosen, rate))
        remains = killer.remains(folder / "tmp")
    print(report(load, killer.kills), end="\n\n")
    found = violations(load, killer.kills, remains)
    for line in found[:50]:
        print(f"FAILED {line}")
    print("ok" if not found else f"{len(found)} violations", flush=True)
    return not found


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return 0 if every requirement is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument(
        "--part",
        choices=["stubs", "all"],
        help="kill only the processes of steps, or all kinds of processes (default: both in turn)",
    )
    parser.add_argument("--kills", type=int, default=60, help="of each part (default: %(default)s)")
    parser.add_argument(
        "--rate", type=float, default=RATE, help="requests per second (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="order of the kills")
    options = parser.parse_args(arguments)
    print(server.conditions(), end="\n\n")
    met = []
    for part in [options.part] if options.part else ["stubs", "all"]:
        print(f"{options.kills} kills, {part}, {options.rate:g} requests/s:\n")
        met.append(judge(options.kills, part == "stubs", options.rate, options.seed))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
