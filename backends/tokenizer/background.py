"""A thread that tokenizes large requests, so that the requests after them do not wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

MAX_EXECUTION_BYTES = 1 << 15
"""Maximum bytes of text that one execution tokenizes. The other requests are tokenized in the
background. Texts of this size take about 20 ms, or 200 ms if they consist of rare words."""

T = TypeVar("T")


def divide(items: Sequence[T], sizes: Sequence[int]) -> tuple[list[T], list[T]]:
    """Divide the requests of an execution, the smallest first.

    Args:
        items: The requests.
        sizes: Bytes of the texts of each.

    Returns:
        Requests to tokenize now, with at most `MAX_EXECUTION_BYTES` together, and the others.
    """
    order = sorted(range(len(items)), key=sizes.__getitem__)
    total = 0
    now = []
    for index in order:
        total += sizes[index]
        if total > MAX_EXECUTION_BYTES:
            break
        now.append(index)
    chosen = set(now)
    later = [item for index, item in enumerate(items) if index not in chosen]
    return [items[index] for index in sorted(now)], later


class Background:
    """Runs tasks one after the other in a thread.

    The tokenizer releases the interpreter's lock while it works. One task at a time limits the
    memory, and leaves the other cores to other requests.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="background", daemon=True)
        self._thread.start()

    def add(self, task: Callable[[], None]) -> None:
        """Run `task`, which must not raise, after those added before it."""
        self._tasks.put(task)

    def close(self) -> None:
        """Wait until all tasks are done, and end the thread."""
        self._tasks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while task := self._tasks.get():
            task()
            del task
