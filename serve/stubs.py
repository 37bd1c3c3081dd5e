"""Stubs: the processes in which Triton's Python backend runs the steps.

Triton 2.51 never restarts a stub and stays "ready" after its death; requests then fail after a
second each. A stub is a grandchild of the supervisor, so that only a pidfd reports its end.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import psutil

from triton_embed.runtime import processes

PROGRAM = "triton_python_backend_stub"
"""Program of a stub. Among its arguments is the name of the instance that it runs."""

INSTANCE = re.compile(r"(?P<step>[^/]+)_\d+_\d+")
"""Name of an instance of a step: ``STEP_GROUP_NUMBER``."""


def instance_of(command: Sequence[str]) -> str | None:
    """Return the name of the instance that the stub with this command line runs."""
    return next((each for each in reversed(command) if INSTANCE.fullmatch(each)), None)


def step_of(instance: str) -> str:
    """Return the step of an instance."""
    found = INSTANCE.fullmatch(instance)
    assert found, instance
    return found["step"]


def running_stubs() -> Mapping[int, str]:
    """Return the instance of each stub below this process, by process id."""
    stubs = {}
    for pid in processes.descendants(command=PROGRAM):
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            instance = instance_of(process.cmdline())
            if instance and process.status() != psutil.STATUS_ZOMBIE:
                stubs[pid] = instance
    return stubs


class StubWatcher:
    """Reports immediately when a stub ends, unless it was replaced.

    Args:
        ended: Called with the step of a stub that has ended, unless another watched stub runs its
            instance.
        running: Returns the running stubs; replaced in tests.
    """

    def __init__(
        self,
        ended: Callable[[str], None],
        running: Callable[[], Mapping[int, str]] = running_stubs,
    ) -> None:
        self._ended = ended
        self._running = running
        self._watched: dict[int, tuple[int, str]] = {}

    def refresh(self) -> set[str]:
        """Watch the stubs that have been started since the last call.

        Returns:
            The steps of all running stubs.
        """
        loop = asyncio.get_running_loop()
        running = self._running()
        for pid, instance in running.items():
            if pid not in self._watched:
                # It may have ended, or the kernel may not have pidfds (before Linux 5.3).
                with suppress(OSError):
                    pidfd = os.pidfd_open(pid)
                    self._watched[pid] = pidfd, instance
                    loop.add_reader(pidfd, self._report, pid)
        return {step_of(instance) for instance in running.values()}

    def _report(self, pid: int) -> None:
        instance = self._forget(pid)
        if instance not in (other for _, other in self._watched.values()):
            self._ended(step_of(instance))

    def _forget(self, pid: int) -> str:
        """Stop watching a stub, and return its instance."""
        pidfd, instance = self._watched.pop(pid)
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
        return instance

    def close(self) -> None:
        """Stop watching."""
        for pid in list(self._watched):
            self._forget(pid)
