"""Numbered steps on standard error, with progress reports of long steps.

On a terminal, the line is rewritten every second. In a log file, every `REPORT_INTERVAL_SECONDS`,
the line is extended by the progress that the step reports, or by the seconds since its beginning.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

REPORT_INTERVAL_SECONDS = 10.0
"""Seconds between two reports of one step in a log file: few enough reports for a readable line."""

REFRESH_SECONDS = 1.0
"""Seconds between two changes of the line on a terminal."""

CLEAR_LINE = "\r\x1b[K"
"""Moves a terminal's cursor to the beginning of the line and clears the line."""

LOADING = "loading PyTorch, transformers and sentence-transformers"
"""Title of the import of the libraries, which takes seconds, or a minute from a slow disk."""

ProgressCallback = Callable[[int, int, str], None]
"""Called with the units done, the total units, and the unit's name in the plural."""


def no_progress(done: int, total: int, unit: str) -> None:
    """Ignore a report; the `ProgressCallback` of callers that show nothing."""


@contextmanager
def activity(
    title: str, *, multiline: bool = False, delay: float = 0.0
) -> Iterator[ProgressCallback]:
    """Print an activity's title, its progress and, once it has succeeded, its duration.

    Args:
        title: The description.
        multiline: Whether the activity prints lines of its own, so that `title` needs its own line.
        delay: Seconds for which nothing is printed; an activity that takes less time is not shown.

    Yields:
        A callback for a long activity, which may call it at any rate.
    """
    line = _Line(sys.stderr, title, multiline=multiline)
    beat = threading.Thread(target=line.keep_alive, args=(delay,), daemon=True)
    if not delay:
        line.begin()
    beat.start()
    try:
        yield line.report
    except BaseException:
        line.end("failed", beat)
        raise
    line.end(f"{line.elapsed:.1f} s", beat)


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
        """Run the next step; see `activity`."""
        self._done += 1
        with activity(f"[{self._done}/{self._steps}] {title}", multiline=multiline) as report:
            yield report

    def note(self, text: str) -> None:
        """Print a warning that does not stop the export."""
        print(f"NOTE: {text}", file=sys.stderr, flush=True)


class _Line:
    """The line of one activity; the activity's thread and a timer thread write it.

    Args:
        stream: Standard error.
        title: The description.
        multiline: See `activity`.
    """

    def __init__(self, stream: TextIO, title: str, *, multiline: bool) -> None:
        self._stream = stream
        self._title = title
        self._multiline = multiline
        self._is_terminal = stream.isatty()
        self._start = self._reported = time.monotonic()
        self._progress = ""
        self._begun = False
        self._ended = threading.Event()
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    def begin(self) -> None:
        """Print the description."""
        self._begun = True
        self._write(f"{self._title} … ", end="\n" if self._multiline else "")

    def report(self, done: int, total: int, unit: str) -> None:
        """Record the progress, and print it if a report is due; a `ProgressCallback`."""
        with self._lock:
            self._progress = f"{done} of {total} {unit}"
            if not self._is_terminal and not self._ended.is_set():
                self._print_if_due()

    def keep_alive(self, delay: float) -> None:
        """Print progress until the activity ends; the body of the timer thread.

        Args:
            delay: Seconds to wait before the description is printed, if it is not yet.
        """
        if delay and self._ended.wait(delay):
            return
        interval = REFRESH_SECONDS if self._is_terminal else max(REPORT_INTERVAL_SECONDS, 0.1)
        while True:
            with self._lock:
                if self._ended.is_set():
                    return
                if not self._begun:
                    self.begin()
                elif not self._is_terminal:
                    self._print_if_due()
                elif not self._multiline:
                    self._rewrite()
            if self._ended.wait(interval):
                return

    def end(self, result: str, beat: threading.Thread) -> None:
        """Print the result, unless nothing has been printed, and wait for the end of `beat`."""
        with self._lock:
            self._ended.set()
            if self._begun and self._is_terminal and not self._multiline:
                self._write(f"{CLEAR_LINE}{self._title} … ")
            if self._begun:
                self._write(result, end="\n")
        beat.join()

    def _print_if_due(self) -> None:
        if time.monotonic() - self._reported >= REPORT_INTERVAL_SECONDS:
            self._reported = time.monotonic()
            sign = self._progress or f"{self.elapsed:.0f} s"
            self._write(f"{sign} … ", end="\n" if self._multiline else "")

    def _rewrite(self) -> None:
        parts = filter(None, (self._title, self._progress, f"{self.elapsed:.0f} s"))
        width = shutil.get_terminal_size().columns - 1
        self._write(f"{CLEAR_LINE}{' … '.join(parts)[:width]}")

    def _write(self, text: str, end: str = "") -> None:
        try:
            print(text, end=end, file=self._stream, flush=True)
        except (OSError, ValueError):
            # Standard error is closed; the activity itself continues.
            self._ended.set()
