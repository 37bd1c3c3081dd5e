"""Conditions under which the commands of the export run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from triton_embed.export.errors import ExportError
from triton_embed.repository.errors import RepositoryError
from triton_embed.runtime.commands import CommandError

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a command."""


@contextmanager
def command_context(name: str) -> Iterator[None]:
    """Run the body of the command `name`.

    Libraries print neither progress bars nor warnings. A signal to end unwinds the stack, so that
    half a model is removed from the repository. An error ends the command with one line.

    Raises:
        CommandError: the body raised an error that has a message for the user.
    """
    quiet_libraries()
    handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        yield
    except BrokenPipeError:
        raise  # The reader of standard output has ended; click ends the command without a message.
    except (ExportError, RepositoryError, OSError) as error:
        raise CommandError(f"{name} failed: {error}") from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def quiet_libraries() -> None:
    """Turn off progress bars, warnings and telemetry of libraries that are imported later."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")


def _end(number: int, _: object) -> None:
    # A second signal would interrupt the cleanup.
    for ending in ENDING_SIGNALS:
        signal.signal(ending, signal.SIG_IGN)
    raise SystemExit(128 + number)
