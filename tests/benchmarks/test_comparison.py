from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from benchmarks import comparison
from benchmarks.checkouts import THIS, other_checkout
from benchmarks.comparison import Quantity, Side
from testing.server import RunningServer

RATE = Quantity("rate")
LATENCY = Quantity("latency, ms", digits=1, by_difference=True)


def sides() -> list[Side]:
    other = replace(THIS, folder=Path("/other"))
    return [Side(checkout, cast(RunningServer, None)) for checkout in (THIS, other)]


def test_sides_are_measured_in_alternating_order() -> None:
    this, other = sides()
    measured: list[Side] = []

    def measure(side: Side) -> Mapping[Quantity, float]:
        measured.append(side)
        return {RATE: 2.0 if side is this else 1.0}

    rounds = comparison.alternate(measure, [this, other], seconds=0.0)
    assert measured == [this, other, other, this]
    assert rounds == {RATE: [(2.0, 1.0), (2.0, 1.0)]}


def test_table_compares_within_rounds() -> None:
    rounds: comparison.Rounds = {
        RATE: [(10.0, 10.0), (100.0, 50.0), (30.0, 10.0)],
        LATENCY: [(5.0, 4.0), (9.0, 8.5)],
    }
    assert comparison.table(rounds).splitlines() == [
        "| | this | other | this / other | rounds |",
        "|---|---:|---:|---:|---:|",
        "| rate | 30 | 10 | 2.000 | 3 |",
        "| latency, ms | 7.0 | 6.2 | +0.8 | 2 |",
    ]


def test_table_of_one_side_has_no_ratio() -> None:
    assert comparison.table({RATE: [(1.0,), (3.0,)]}).splitlines() == [
        "| | median | rounds |",
        "|---|---:|---:|",
        "| rate | 2 | 2 |",
    ]


def test_checkout_before_the_command_line_has_its_own_commands(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert other_checkout(tmp_path).serving == ("-m", "serve")
    (tmp_path / "triton_embed").mkdir()
    assert other_checkout(tmp_path).serving == ("-m", "triton_embed.serve")
    (tmp_path / "triton_embed" / "cli.py").touch()
    assert other_checkout(tmp_path).serving == THIS.serving


def test_checkout_without_environment_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no \.venv"):
        other_checkout(tmp_path)
