"""Measure this checkout and another one alternately: throughput, latency, overhead and overload."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

from benchmarks import comparison, latency, overhead, overload, throughput
from benchmarks.checkouts import THIS, other_checkout
from benchmarks.server import conditions
from benchmarks.texts import SEED
from triton_embed.gateway.settings import Settings

EXPERIMENTS = (*throughput.EXPERIMENTS, *latency.EXPERIMENTS, *overhead.EXPERIMENTS)

OVERLOAD_SECONDS = 30.0
"""Duration of the overload of each checkout: long enough to see whether memory grows."""

OVERLOAD_MINUTES = 2.5
"""Time that overload takes for both checkouts, with warm-up and the last responses."""

MIN_MINUTES = 1.0
"""Minimum time for everything but overload: about two rounds of each experiment."""


def main() -> int:
    """Measure, print, and return 0 if this checkout meets every requirement under overload."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument(
        "checkout",
        metavar="CHECKOUT",
        type=Path,
        help="folder of another commit with its own .venv",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=15.0,
        help="duration, exports and start included (default: %(default)g)",
    )
    options = parser.parse_args()
    start = perf_counter()
    with comparison.running([THIS, other_checkout(options.checkout)]) as sides:
        minutes = options.minutes - OVERLOAD_MINUTES - (perf_counter() - start) / 60
        rounds = comparison.run(EXPERIMENTS, sides, max(minutes, MIN_MINUTES))
        print(f"{conditions()}; seed {SEED}; other: {options.checkout}.\n")
        print(comparison.table(rounds), end="\n\n", flush=True)
        met = overload.judge_in_turn(sides, OVERLOAD_SECONDS, Settings().max_concurrent_inputs)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
