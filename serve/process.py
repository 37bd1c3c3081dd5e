"""One supervised child process: started, watched, restarted when it dies, stopped on request."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from triton_embed.serve.errors import ServeError

logger = logging.getLogger("serve")

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
SICK_STOP_SECONDS = 1.0
"""How long a program that needs a restart may take to end; there is little left to finish."""

STABLE_SECONDS = 60.0
"""A process that lived for so long starts again after the first, short pause."""


LEVELS = {"W": logging.WARNING, "E": logging.ERROR}
"""Levels by the first letter of a line of Triton's."""

MAX_LINE = 1 << 20
"""Bytes; a longer line of a program's output is not shown."""


@dataclass(frozen=True)
class ProcessSpec:
    """What to run.

    Attributes:
        name: What to call it in messages.
        command: Program and arguments.
        environment: Its environment.
        logger: What its output is logged to; ``None`` for a program that writes logs of our form:
            it has our own output, as a relay would cost it a good part of its speed.
        noise: What the lines of its output contain that nobody needs to see.
        stop_seconds: How long it may take to end after SIGTERM.
        until_ready: Returns once the program serves.
        until_sick: Returns a reason once the running program needs a restart.
        clean_up: Called after the program has ended, however it ended.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    logger: logging.Logger | None
    noise: Sequence[str]
    stop_seconds: float
    until_ready: Callable[[], Awaitable[None]]
    until_sick: Callable[[], Awaitable[str]]
    clean_up: Callable[[], None]


class SupervisedProcess:
    """Keeps one program running.

    Args:
        program: What to run.
    """

    def __init__(self, program: ProcessSpec) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Start the program and wait until it serves.

        Raises:
            ServeError: it ended before it served, or cannot be started.
        """
        program = self._program
        self._process = process = await self._spawn()
        if program.logger:
            self._output = asyncio.ensure_future(self._log(process, program.logger))
        ended = asyncio.ensure_future(process.wait())
        ready = asyncio.ensure_future(program.until_ready())
        try:
            await asyncio.wait([ended, ready], return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise ServeError(
                    f"{program.name} ended before it was ready ({_status(process)}); "
                    "its messages are above"
                )
            await ready
        finally:
            for task in (ended, ready):
                task.cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        program = self._program
        try:
            return await asyncio.create_subprocess_exec(
                *program.command,
                env=dict(program.environment),
                start_new_session=True,
                stdout=asyncio.subprocess.PIPE if program.logger else None,
                stderr=asyncio.subprocess.STDOUT if program.logger else None,
                limit=MAX_LINE,
            )
        except OSError as error:
            raise ServeError(f"{program.name} cannot be started: {error}") from error

    async def keep(self) -> None:
        """Watch the running program for ever and restart it whenever it dies or falls sick."""
        pause = FIRST_PAUSE_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            reason = await self._until_lost()
            await self._end(SICK_STOP_SECONDS)
            if clock() - started > STABLE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            logger.warning("%s: %s; restarting it", self._program.name, reason)
            while True:
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
                try:
                    await self.start()
                    break
                except ServeError as error:
                    await self.stop()
                    logger.error("%s; trying again in %.0f s", error, pause)
            logger.warning("%s is back", self._program.name)

    async def stop(self) -> None:
        """End the program and every process it started, leaving it time to finish its work."""
        await self._end(self._program.stop_seconds)

    async def _end(self, seconds: float) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if self._output:
            await asyncio.gather(self._output, return_exceptions=True)
        self._process = None
        self._program.clean_up()

    async def _log(self, process: asyncio.subprocess.Process, to: logging.Logger) -> None:
        """Log the program's output, without the noise, until it ends."""
        assert process.stdout is not None
        while line := await _read_line(process.stdout):
            text = line.decode(errors="replace").rstrip()
            if text and not any(noise in text for noise in self._program.noise):
                to.log(LEVELS.get(text[0], logging.INFO), text)

    async def _until_lost(self) -> str:
        process = self._process
        assert process is not None, "keep() follows start()"
        ended = asyncio.ensure_future(process.wait())
        sick = asyncio.ensure_future(self._program.until_sick())
        try:
            await asyncio.wait([ended, sick], return_when=asyncio.FIRST_COMPLETED)
            return f"it ended ({_status(process)})" if ended.done() else await sick
        finally:
            for task in (ended, sick):
                task.cancel()


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:
        # The stream has dropped it; a reader that gave up would block the program for ever.
        return b"(a line too long to show)\n"


def _status(process: asyncio.subprocess.Process) -> str:
    code = process.returncode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"
