"""Tells the user which step is running, how far a long one has come, and how long each took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 10.0
"""How long a step says nothing before it tells how far it has come."""

Advance = Callable[[int, int, str], None]
"""Takes how much is done, of how much, and what is counted."""


def silent(done: int, total: int, unit: str) -> None:
    """An `Advance` that tells nobody."""


class Progress:
    """Numbered steps on standard error.

    Args:
        steps: How many there will be.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    @contextmanager
    def step(self, what: str, *, talks: bool = False) -> Iterator[Advance]:
        """Announce `what`, and say how long it took once it has succeeded.

        If it `talks`, its own lines come in between. Yields what a long step may call as often as
        it likes.
        """
        self._done += 1
        print(
            f"[{self._done}/{self._steps}] {what} … ",
            end="\n" if talks else "",
            file=sys.stderr,
            flush=True,
        )
        start = said = time.monotonic()

        def advance(done: int, total: int, unit: str) -> None:
            nonlocal said
            if time.monotonic() - said >= SECONDS:
                said = time.monotonic()
                print(f"{done} of {total} {unit} … ", end="", file=sys.stderr, flush=True)

        try:
            yield advance
        except BaseException:
            print("failed", file=sys.stderr, flush=True)
            raise
        print(f"{time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)

    def note(self, what: str) -> None:
        """Say `what` the user should know besides."""
        print(f"NOTE: {what}", file=sys.stderr, flush=True)
