"""A supervised child process: started, probed, restarted when it dies, stopped on request."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from triton_embed.runtime.parent import ending_with_this_process
from triton_embed.serve.errors import ServeError
from triton_embed.serve.output import MAX_LINE_BYTES, OutputRelay

logger = logging.getLogger("serve")

INITIAL_BACKOFF_SECONDS = 0.5
"""Pause before the first restart: long enough for the kernel to free ports and memory."""

MAX_BACKOFF_SECONDS = 30.0
"""Maximum pause before a restart. It doubles after each restart, so that a process that dies at
every start uses little CPU, and runs again within this time once the cause is removed."""

BACKOFF_RESET_SECONDS = 60.0
"""Uptime in seconds after which the pause is reset to the initial one. Twice the maximum pause."""

UNHEALTHY_STOP_TIMEOUT_SECONDS = 1.0
"""Time in seconds between SIGTERM and SIGKILL for an unhealthy process, which can hardly finish any
request."""


@dataclass(frozen=True)
class ProcessSpec:
    """A process to run.

    Attributes:
        name: Its name in messages.
        command: Program and arguments.
        environment: All of its environment variables.
        output: Logs its output; ``None`` for a process that writes our log format itself and
            shares our standard output and error, because a relay costs it throughput.
        stop_timeout_seconds: Time to end after SIGTERM before it is killed.
        wait_ready: Returns once the process serves.
        wait_unhealthy: Returns a reason once the running process needs a restart.
        on_lost: Called with the reason as soon as the process has ended or is unhealthy.
        clean_up: Called after every end of the process.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    output: OutputRelay | None
    stop_timeout_seconds: float
    wait_ready: Callable[[], Awaitable[None]]
    wait_unhealthy: Callable[[], Awaitable[str]]
    on_lost: Callable[[str], None]
    clean_up: Callable[[], None]


class SupervisedProcess:
    """Keeps one process running.

    Args:
        spec: The process to run.
    """

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self._process: asyncio.subprocess.Process | None = None
        self._relay: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Start the process and wait until it serves.

        The kernel kills it if this process ends, whatever the reason.

        Raises:
            ServeError: It ended before it was ready, or cannot be started.
        """
        spec = self._spec
        self._process = process = await self._spawn()
        if spec.output:
            assert process.stdout is not None
            self._relay = asyncio.ensure_future(spec.output.run(process.stdout))
        ended = asyncio.ensure_future(process.wait())
        ready = asyncio.ensure_future(spec.wait_ready())
        try:
            await asyncio.wait([ended, ready], return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise ServeError(
                    f"{spec.name} ended before it was ready ({_exit_status(process)}); "
                    "see its messages above"
                )
            await ready
        finally:
            for task in (ended, ready):
                task.cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        spec = self._spec
        try:
            return await asyncio.create_subprocess_exec(
                *ending_with_this_process(spec.command),
                env=dict(spec.environment),
                start_new_session=True,
                stdout=asyncio.subprocess.PIPE if spec.output else None,
                stderr=asyncio.subprocess.STDOUT if spec.output else None,
                limit=MAX_LINE_BYTES,
            )
        except OSError as error:
            raise ServeError(f"{spec.name} cannot be started: {error}") from error

    async def supervise(self) -> None:
        """Restart the started process, with exponential backoff, whenever it ends or is unhealthy.

        Runs until it is canceled.
        """
        backoff = INITIAL_BACKOFF_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            reason = await self._wait_lost()
            self._spec.on_lost(reason)
            await self._end(UNHEALTHY_STOP_TIMEOUT_SECONDS)
            if clock() - started > BACKOFF_RESET_SECONDS:
                backoff = INITIAL_BACKOFF_SECONDS
            logger.warning("%s: %s; restarting it", self._spec.name, reason)
            backoff = await self._restart(backoff)
            logger.warning("%s restarted", self._spec.name)

    async def _restart(self, backoff: float) -> float:
        """Start the process until that succeeds; return the pause before the next attempt."""
        while True:
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)
            try:
                await self.start()
                return backoff
            except ServeError as error:
                await self.stop()
                logger.error("%s; trying again in %.0f s", error, backoff)

    async def stop(self) -> None:
        """End the process and its descendants, after it has finished its work."""
        await self._end(self._spec.stop_timeout_seconds)

    async def _end(self, timeout_seconds: float) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), timeout_seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if self._relay:
            await asyncio.gather(self._relay, return_exceptions=True)
        self._process = None
        self._spec.clean_up()

    async def _wait_lost(self) -> str:
        """Wait until the process has ended or is unhealthy, and return the reason."""
        process = self._process
        assert process is not None, "supervise() follows start()"
        ended = asyncio.ensure_future(process.wait())
        unhealthy = asyncio.ensure_future(self._spec.wait_unhealthy())
        try:
            await asyncio.wait([ended, unhealthy], return_when=asyncio.FIRST_COMPLETED)
            return f"it ended ({_exit_status(process)})" if ended.done() else await unhealthy
        finally:
            for task in (ended, unhealthy):
                task.cancel()


def _exit_status(process: asyncio.subprocess.Process) -> str:
    code = process.returncode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"
