"""Relay of a child process's output into our log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_LINE_BYTES = 1 << 20
"""Maximum bytes of an output line; a longer line is replaced by a note, to bound memory."""

EXIT_TIMEOUT_MESSAGE = "Exit timeout expired"
"""Part of a line that Triton logs as an error when it stops before all models are unloaded. The
gateway has finished its requests by then, and the processes of the models are killed."""

LEVELS = {"W": logging.WARNING, "E": logging.ERROR}
"""Log level by the first letter of Triton's lines; all other lines have level INFO."""

GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg")
"""At least one of these exists wherever an NVIDIA GPU is visible; ``/dev/dxg`` is WSL."""

NO_GPU_MESSAGES = (
    "CudaDriverHelper has not been initialized",
    "CUDA driver version is insufficient",
    "DCGM unable to start",
    "Failed to initialize NVML",
    "failed to allocate pinned system memory",
)
"""Parts of the lines that Triton always prints on a machine without a GPU. If a GPU is present,
these lines explain what is wrong."""


UNIX_SOCKET_MESSAGE = "NODELAY NOT SUPPORTED"
"""Part of a line that Triton's HTTP server prints because it is bound to a Unix socket."""

ALIAS_MESSAGE = "Failed to set config modification time"
"""Part of the line that Triton 2.51 prints for each ensemble that has no folder."""


def ignored_output(*, verbose: bool) -> tuple[str, ...]:
    """Return the texts that identify irrelevant lines of Triton's output.

    Args:
        verbose: Show everything.
    """
    if verbose:
        return ()
    has_gpu = any(Path(device).exists() for device in GPU_DEVICES)
    return (UNIX_SOCKET_MESSAGE, ALIAS_MESSAGE, *(() if has_gpu else NO_GPU_MESSAGES))


@dataclass(frozen=True)
class OutputRelay:
    """Logs the output of a process.

    Attributes:
        logger: Receives each line.
        ignored: A line that contains one of these texts is dropped.
    """

    logger: logging.Logger
    ignored: Sequence[str] = ()

    async def run(self, stream: asyncio.StreamReader) -> None:
        """Log the lines of `stream`, whose limit is `MAX_LINE_BYTES`, until it ends."""
        while line := await _read_line(stream):
            text = line.decode(errors="replace").rstrip()
            if text and not any(ignored in text for ignored in self.ignored):
                self.logger.log(_level(text), text)


def _level(line: str) -> int:
    if EXIT_TIMEOUT_MESSAGE in line:
        return logging.INFO
    return LEVELS.get(line[0], logging.INFO)


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:
        # The stream has dropped the line. Keep reading: otherwise the process would block.
        return b"(output line over 1 MiB omitted)\n"
