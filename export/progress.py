"""Numbered steps on standard error, with the progress of long ones and the time of each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REPORT_INTERVAL_SECONDS = 10.0
"""Minimum seconds between two reports of one step: a line of a log file stays readable."""

ProgressCallback = Callable[[int, int, str], None]
"""Called with the units done, the total units, and the unit's name in the plural."""


def no_progress(done: int, total: int, unit: str) -> None:
    """Ignore a report; the `ProgressCallback` of callers that show nothing."""


class Progress:
    """Numbered steps on standard error.

    Args:
        steps: The total number of steps.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    @contextmanager
    def step(self, title: str, *, multiline: bool = False) -> Iterator[ProgressCallback]:
        """Announce a step, and print its duration once it has succeeded.

        Args:
            title: The step's description.
            multiline: Whether the step prints lines of its own, so that `title` needs its own line.

        Yields:
            A callback that a long step may call as often as it likes.
        """
        self._done += 1
        print(
            f"[{self._done}/{self._steps}] {title} … ",
            end="\n" if multiline else "",
            file=sys.stderr,
            flush=True,
        )
        start = reported = time.monotonic()

        def report(done: int, total: int, unit: str) -> None:
            nonlocal reported
            if time.monotonic() - reported >= REPORT_INTERVAL_SECONDS:
                reported = time.monotonic()
                print(f"{done} of {total} {unit} … ", end="", file=sys.stderr, flush=True)

        try:
            yield report
        except BaseException:
            print("failed", file=sys.stderr, flush=True)
            raise
        print(f"{time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Print a warning that does not stop the export."""
        print(f"NOTE: {text}", file=sys.stderr, flush=True)
