"""Steps that take long show that they are alive, in a log file and on a terminal."""

from __future__ import annotations

import io
import re
import sys
from contextlib import redirect_stderr

import pytest

from testing.waiting import eventually
from triton_embed.export import progress
from triton_embed.export.progress import Progress, activity


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def await_text(stream: io.StringIO, pattern: str) -> None:
    """Wait until `stream` has text that matches `pattern`."""
    eventually(lambda: re.search(pattern, stream.getvalue()), message=f"text like {pattern}")


def test_step_without_reports_shows_its_time_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REPORT_INTERVAL_SECONDS", 0.05)
    with redirect_stderr(io.StringIO()) as log, Progress(3).step("building"):
        await_text(log, r"^\[1/3\] building … (\d+ s … ){2}")
    assert re.fullmatch(r"\[1/3\] building … (\d+ s … )+\d+\.\d s\n", log.getvalue())


def test_step_shows_its_last_report_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    with redirect_stderr(io.StringIO()) as log, Progress(3).step("embedding") as report:
        report(1, 10, "layers")
        assert log.getvalue() == "[1/3] embedding … "
        monkeypatch.setattr(progress, "REPORT_INTERVAL_SECONDS", 0.0)
        report(2, 10, "layers")
        assert log.getvalue() == "[1/3] embedding … 2 of 10 layers … "


def test_step_rewrites_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.01)
    with redirect_stderr(Terminal()) as terminal, Progress(3).step("embedding") as report:
        report(1, 10, "layers")
        await_text(terminal, r"\r\x1b\[K\[1/3\] embedding … 1 of 10 layers … \d+ s")
    assert re.search(r"\r\x1b\[K\[1/3\] embedding … \d+\.\d s\n$", terminal.getvalue())
    assert terminal.getvalue().count("\n") == 1


def test_step_with_lines_of_its_own_leaves_the_terminal_to_them() -> None:
    with redirect_stderr(Terminal()) as terminal, Progress(3).step("downloading", multiline=True):
        print("100%", file=sys.stderr)
    assert re.fullmatch(r"\[1/3\] downloading … \n100%\n\d+\.\d s\n", terminal.getvalue())


def test_failed_step_ends_its_line() -> None:
    with (
        redirect_stderr(io.StringIO()) as log,
        pytest.raises(ZeroDivisionError),
        Progress(3).step("dividing"),
    ):
        _ = 1 / 0
    assert log.getvalue() == "[1/3] dividing … failed\n"


def test_short_activity_with_a_delay_is_not_shown() -> None:
    with redirect_stderr(io.StringIO()) as log, activity("reading", delay=60):
        pass
    assert log.getvalue() == ""


def test_long_activity_with_a_delay_is_shown() -> None:
    with redirect_stderr(io.StringIO()) as log, activity("reading", delay=0.01):
        await_text(log, "^reading … $")
    assert re.fullmatch(r"reading … \d+\.\d s\n", log.getvalue())


def test_closed_standard_error_does_not_end_a_step() -> None:
    with redirect_stderr(io.StringIO()) as log, Progress(3).step("building") as report:
        log.close()
        report(1, 2, "layers")
