"""The progress of a run on standard error: a line that is rewritten on a terminal, else a log."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from time import monotonic
from typing import TextIO

REFRESH_SECONDS = 0.5
"""Seconds between two changes of the line on a terminal."""

REPORT_INTERVAL_SECONDS = 10.0
"""Seconds between two lines of a log, so that it stays readable."""

BAR_CHARACTERS = 20
"""Characters of the bar."""

CLEAR_LINE = "\r\x1b[K"
"""Moves a terminal's cursor to the beginning of the line and clears the line."""


class Progress:
    """Counts rows and tokens, and prints them until it is closed.

    Args:
        stream: Standard error.
        clock: Returns the time in seconds.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._start = clock()
        self._first: float | None = None
        self.fraction = 0.0
        self.rows = 0
        self.tokens = 0

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def read(self, fraction: float) -> None:
        """Record the share of the input that has been read; parts of an earlier run included."""
        self.fraction = fraction

    def embedded(self, rows: int, tokens: int) -> None:
        """Record a response."""
        if self._first is None:
            self._first = self.fraction
        self.rows += rows
        self.tokens += tokens

    def line(self) -> str:
        """Return the progress: share, rows, rates, and the estimated remaining time."""
        seconds = max(self.seconds, 1e-9)
        left = "?"
        if self._first is not None and self.fraction > self._first:
            rate = (self.fraction - self._first) / seconds
            left = duration((1 - self.fraction) / rate)
        return (
            f"{self.fraction:4.0%} | {self.rows} rows | {self.rows / seconds:.0f} texts/s | "
            f"{self.tokens / seconds:.0f} tokens/s | ETA {left}"
        )

    async def show(self) -> None:
        """Print the progress until this is canceled."""
        interval = REFRESH_SECONDS if self._is_terminal else REPORT_INTERVAL_SECONDS
        try:
            while True:
                await asyncio.sleep(interval)
                self._print()
        finally:
            if self._is_terminal:
                self._write(CLEAR_LINE)

    def _print(self) -> None:
        if not self._is_terminal:
            self._write(f"{self.line()}\n")
            return
        filled = round(BAR_CHARACTERS * self.fraction)
        bar = "█" * filled + "·" * (BAR_CHARACTERS - filled)
        width = shutil.get_terminal_size().columns - 1
        self._write(f"{CLEAR_LINE}{f'{bar} {self.line()}'[:width]}")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Standard error is closed; the run continues.
            self._is_terminal = False


def duration(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds, such as ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
