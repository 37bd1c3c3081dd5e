"""The service of this checkout and that of another checkout, measured in turn.

The speed of a shared machine changes from minute to minute, so both are measured in each round,
and rounds are compared, not runs.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import checkpoints
from benchmarks.checkouts import THIS, Checkout, other_checkout
from benchmarks.server import MODEL_ID, conditions
from benchmarks.texts import SEED
from testing.server import RunningServer
from triton_embed.runtime import processes

TRIVIAL_ID = "trivial"
"""Model id of an encoder so small that nearly all CPU time is spent around it."""

ONE_WORKER = {"TRITON_EMBED_WORKERS": "1"}
"""Environment of a service whose gateway is one process, so that its CPU time is all of it."""

MIN_ROUNDS = 2
"""Minimum rounds of every experiment: one in each order."""


@dataclass(frozen=True)
class Side:
    """A running service that has the models `MODEL_ID` and `TRIVIAL_ID`.

    Attributes:
        checkout: The checkout that it runs from.
        server: The service.
    """

    checkout: Checkout
    server: RunningServer

    @cached_property
    def processes(self) -> Mapping[str, int]:
        """Ids of the gateway's process, of Triton's, and of the trivial model's steps."""
        commands = {
            "gateway": self.checkout.gateway,
            "tritonserver": "bin/tritonserver",
            **{step: f"{TRIVIAL_ID}_{step}" for step in ("tokenizer", "encoder", "postprocess")},
        }
        return {name: self.server.descendants(text)[0] for name, text in commands.items()}

    def cpu_seconds(self) -> Mapping[str, float]:
        """Return the CPU time that each of `processes` has used."""
        return {name: processes.cpu_seconds(pid) for name, pid in self.processes.items()}


@dataclass(frozen=True)
class Quantity:
    """A measured quantity.

    Attributes:
        name: Its name, with the unit.
        digits: Digits after the decimal point.
        by_difference: Whether sides are compared by their difference instead of their ratio.
    """

    name: str
    digits: int = 0
    by_difference: bool = False


Measure = Callable[[Side], Mapping[Quantity, float]]
"""Measures one side once, for a few seconds."""

Rounds = dict[Quantity, list[tuple[float, ...]]]
"""The values of each round, in the order of the sides."""


@dataclass(frozen=True)
class Experiment:
    """A measurement that is repeated.

    Attributes:
        measure: Measures one side.
        share: Its share of the total time.
    """

    measure: Measure
    share: float


def alternate(measure: Measure, sides: Sequence[Side], seconds: float) -> Rounds:
    """Measure all sides in each round, in alternating order, until the next would take too long."""
    rounds: Rounds = defaultdict(list)
    start = perf_counter()
    completed = 0
    while completed < MIN_ROUNDS or (perf_counter() - start) * (1 + 1 / completed) < seconds:
        order = sides if completed % 2 == 0 else tuple(reversed(sides))
        found = {side: measure(side) for side in order}
        for quantity in found[sides[0]]:
            rounds[quantity].append(tuple(found[side][quantity] for side in sides))
        completed += 1
    return rounds


def table(rounds: Rounds) -> str:
    """Return medians as Markdown, and the median of the rounds' ratios or differences."""
    compared = any(len(values[0]) > 1 for values in rounds.values())
    columns = ["this", "other", "this / other"] if compared else ["median"]
    lines = [f"| | {' | '.join(columns)} | rounds |", "|---" + "|---:" * (len(columns) + 1) + "|"]
    for quantity, values in rounds.items():
        cells = [f"{median(side):.{quantity.digits}f}" for side in zip(*values, strict=True)]
        if compared and quantity.by_difference:
            cells.append(f"{median(this - other for this, other in values):+.{quantity.digits}f}")
        elif compared:
            # A step that no request needs takes no time.
            ratios = [this / other for this, other in values if other]
            cells.append(f"{median(ratios):.3f}" if ratios else "-")
        lines.append(f"| {quantity.name} | {' | '.join(cells)} | {len(values)} |")
    return "\n".join(lines)


@contextmanager
def running(checkouts: Sequence[Checkout]) -> Iterator[list[Side]]:
    """Export both models with each checkout, and serve them while in the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="triton-embed-benchmark-")))
        trivial = checkpoints.checkpoint(TRIVIAL_ID, folder)
        sides = []
        for index, checkout in enumerate(checkouts):
            repository = folder / f"repository-{index}"
            checkout.export(checkpoints.MINILM_FOLDER, repository, MODEL_ID, "--matryoshka", "any")
            checkout.export(trivial, repository, TRIVIAL_ID)
            server = RunningServer(
                repository,
                environment=ONE_WORKER,
                program=(str(checkout.python), *checkout.serving),
                folder=checkout.folder,
            )
            sides.append(Side(checkout, stack.enter_context(server)))
        yield sides


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--against``."""
    parser.add_argument(
        "--against",
        metavar="CHECKOUT",
        type=Path,
        help="folder of another commit with its own .venv; measured alternately with this one",
    )


def checkouts(against: Path | None) -> list[Checkout]:
    """Return this checkout, and the one in the folder `against` if there is one."""
    return [THIS, *([other_checkout(against)] if against else [])]


def run(experiments: Sequence[Experiment], sides: Sequence[Side], minutes: float) -> Rounds:
    """Perform all experiments, each for its share of `minutes`."""
    rounds: Rounds = {}
    for experiment in experiments:
        rounds |= alternate(experiment.measure, sides, 60 * minutes * experiment.share)
        print(table(rounds).splitlines()[-1], file=sys.stderr, flush=True)
    return rounds


def command(module: str, description: str | None, experiments: Sequence[Experiment]) -> None:
    """Run ``python -m benchmarks.<module>``: measure one or two checkouts, and print."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=description)
    add_flag(parser)
    parser.add_argument(
        "--minutes",
        type=float,
        default=3.0,
        help="duration without start; a longer run has more rounds (default: %(default)g)",
    )
    options = parser.parse_args()
    shares = sum(experiment.share for experiment in experiments)
    with running(checkouts(options.against)) as sides:
        rounds = run(experiments, sides, options.minutes / shares)
    print(f"{conditions()}; seed {SEED}.\n\n{table(rounds)}")
