"""Tells the user which step is running and how long each took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Numbered steps on standard error.

    Args:
        steps: How many there will be.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    @contextmanager
    def step(self, what: str, *, talks: bool = False) -> Iterator[None]:
        """Announce `what`, and say how long it took once it has succeeded.

        If it `talks`, its own lines come in between.
        """
        self._done += 1
        print(
            f"[{self._done}/{self._steps}] {what} … ",
            end="\n" if talks else "",
            file=sys.stderr,
            flush=True,
        )
        start = time.monotonic()
        try:
            yield
        except BaseException:
            print("failed", file=sys.stderr, flush=True)
            raise
        print(f"{time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)

    def note(self, what: str) -> None:
        """Say `what` the user should know besides."""
        print(f"NOTE: {what}", file=sys.stderr, flush=True)
