"""Results of systems that are measured in turn, round by round.

The speed of a shared machine changes from minute to minute, so systems are compared within rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median

import numpy as np

MIN_COMPARED_ROUNDS = 7
"""Minimum rounds from which the interval of a ratio is meaningful."""

RESAMPLES = 10_000
"""Bootstrap samples of the rounds; more do not change the second digit of an interval."""

LOWER_PERCENTILE = 5.0
"""The lower end of the 90 % interval."""

SEED = 1
"""Seed of the bootstrap: the same rounds have the same interval."""


@dataclass(frozen=True)
class Measurement:
    """The measurement of one system in one round.

    Attributes:
        latencies: Seconds of each request.
        tokens: Tokens of all requests.
        seconds: Seconds from the first request to the last response.
    """

    latencies: Sequence[float]
    tokens: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds

    @property
    def speed(self) -> float:
        """Reciprocal of the median latency in seconds."""
        return 1 / median(self.latencies)


@dataclass(frozen=True)
class Ratio:
    """The ratio of two systems.

    Attributes:
        median: Median over the rounds.
        low: Lower end of its 90 % interval, by bootstrap over the rounds.
    """

    median: float
    low: float


class Rounds:
    """The measurements of all systems under one workload, one of each system and round."""

    def __init__(self) -> None:
        self._found: dict[str, list[Measurement]] = {}

    def __contains__(self, system: str) -> bool:
        return system in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def add(self, system: str, measurement: Measurement) -> None:
        """Record the measurement of `system` in its next round."""
        self._found.setdefault(system, []).append(measurement)

    def rate(self, system: str) -> float:
        """Return the median tokens per second."""
        return median(each.rate for each in self._found[system])

    def percentiles(self, system: str) -> list[float]:
        """Return p50, p95 and p99 of the milliseconds of all requests; empty if unknown."""
        latencies = list(chain.from_iterable(each.latencies for each in self._found[system]))
        return [1000 * float(each) for each in np.percentile(latencies, [50, 95, 99])]

    def requests(self, system: str) -> int:
        """Return the number of requests of all rounds whose latency is known."""
        return sum(len(each.latencies) for each in self._found[system])

    def ratio(self, system: str, other: str, quantity: Callable[[Measurement], float]) -> Ratio:
        """Return the ratio of a quantity of `system` to that of `other`, compared within rounds."""
        pairs = zip(self._found[system], self._found[other], strict=True)
        return interval([quantity(this) / quantity(that) for this, that in pairs])


def interval(ratios: Sequence[float]) -> Ratio:
    """Return the median of the rounds' ratios, and the lower end of its 90 % interval."""
    generator = np.random.default_rng(SEED)
    samples = generator.choice(np.array(ratios), (RESAMPLES, len(ratios)))
    low = np.percentile(np.median(samples, axis=1), LOWER_PERCENTILE)
    return Ratio(median(ratios), float(low))


def alternate(
    measures: Mapping[str, Callable[[], Measurement]],
    count: int,
    report: Callable[[str], None] = lambda line: None,
) -> Rounds:
    """Measure every system in each of `count` rounds, in alternating order.

    Args:
        measures: The measurement of each system, by its name.
        count: Number of rounds.
        report: Receives a line after each round.
    """
    rounds = Rounds()
    names = list(measures)
    for index in range(count):
        found = {name: measures[name]() for name in (names if index % 2 == 0 else names[::-1])}
        for name in names:
            rounds.add(name, found[name])
        report(f"round {index + 1} of {count}")
    return rounds
