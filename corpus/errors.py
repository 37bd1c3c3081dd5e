"""Errors that end the command ``embed``, each with its exit status."""

from __future__ import annotations

from triton_embed.runtime.commands import CommandError


class RowRejected(CommandError):
    """A row cannot be embedded, and ``--on-error`` is ``fail``."""

    exit_code = 1


class UsageProblem(CommandError):
    """An option, an input file, the output folder or the model is unusable."""

    exit_code = 2


class ServerGone(CommandError):
    """The server is unavailable; the same command continues later."""

    exit_code = 3
