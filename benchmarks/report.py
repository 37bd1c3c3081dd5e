"""The tables of ``python -m benchmarks``, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.rounds import Measurement, Rounds
from benchmarks.throughput import LIMIT


@dataclass(frozen=True)
class Results:
    """The results of a run.

    Attributes:
        throughput: The rounds of each throughput workload.
        alone: The rounds of one text at a time on an idle server.
        beside: The rounds of one text at a time beside lists.
        cosines: Minimum cosine to the reference, by system.
    """

    throughput: Mapping[str, Rounds]
    alone: Rounds
    beside: Rounds
    cosines: Mapping[str, float]

    @property
    def systems(self) -> list[str]:
        """All systems, in the order of the tables."""
        names = [name for rounds in (*self.throughput.values(), self.alone) for name in rounds]
        return list(dict.fromkeys(names))


def main_table(results: Results) -> str:
    """Return throughput with its share of the limit, and the median latency of one text."""
    header = [
        "",
        *(f"{workload}, tokens/s" for workload in results.throughput),
        "alone, ms",
        "beside lists, ms",
        "min cosine",
    ]
    rows = []
    for name in results.systems:
        cells = [_rate(rounds, name) for rounds in results.throughput.values()]
        cells += [_p50(results.alone, name), _p50(results.beside, name)]
        cosine = results.cosines.get(name)
        rows.append([name, *cells, "" if cosine is None else f"{cosine:.6f}"])
    return markdown(header, rows)


def _rate(rounds: Rounds, name: str) -> str:
    if name not in rounds:
        return ""
    share = rounds.ratio(name, LIMIT, _rate_of).median
    return f"{rounds.rate(name):.0f} ({share:.0%})"


def _p50(rounds: Rounds, name: str) -> str:
    return f"{rounds.percentiles(name)[0]:.1f}" if name in rounds else ""


def ratio_table(results: Results, ours: str) -> str:
    """Return the ratios of `ours` to every other system, with the lower end of each interval."""
    columns = {
        **{name: (rounds, _rate_of) for name, rounds in results.throughput.items()},
        "alone": (results.alone, _speed_of),
        "beside lists": (results.beside, _speed_of),
    }
    rows = []
    for other in results.systems:
        if other == ours:
            continue
        cells = []
        for rounds, quantity in columns.values():
            ratio = rounds.ratio(ours, other, quantity) if other in rounds else None
            cells.append(f"{ratio.median:.2f} (≥ {ratio.low:.2f})" if ratio else "")
        rows.append([other, *cells])
    return markdown([f"speed of {ours} relative to", *columns], rows)


def _rate_of(measurement: Measurement) -> float:
    return measurement.rate


def _speed_of(measurement: Measurement) -> float:
    return measurement.speed


def latency_table(results: Results) -> str:
    """Return p50, p95 and p99 of the requests of every server, over all rounds."""
    columns = {**results.throughput, "alone": results.alone, "beside lists": results.beside}
    rows = []
    for name in results.systems:
        cells = []
        for rounds in columns.values():
            known = name in rounds and rounds.requests(name)
            cells.append(
                " / ".join(f"{each:.{_digits(each)}f}" for each in rounds.percentiles(name))
                if known
                else ""
            )
        if any(cells):
            rows.append([name, *cells])
    counted = [max(map(rounds.requests, rounds)) for rounds in columns.values()]
    rows.append(["maximum requests of a system", *map(str, counted)])
    return markdown(["p50 / p95 / p99, ms", *columns], rows)


def _digits(milliseconds: float) -> int:
    return 1 if milliseconds < 100 else 0


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [f"| {' | '.join(header)} |", "|---" + "|---:" * (len(header) - 1) + "|"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join(lines)
