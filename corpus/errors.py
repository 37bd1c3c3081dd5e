"""Errors that end the command ``embed``, each with its exit status."""

from __future__ import annotations

from http import HTTPStatus

from triton_embed.client.errors import (
    ClientError,
    RequestRejected,
    ServerFailed,
    ServerUnavailable,
)
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


OPTIONS = ("input_type", "truncate", "dimensions", "embedding_type")
"""Fields of a request that options of the same names set."""


def described(error: ClientError, url: str, model: str, advice: str) -> CommandError:
    """Return the error that ends the command after an error of the client.

    Args:
        error: The error.
        url: Base URL of the server.
        model: The model id.
        advice: The next step if the server is unavailable.
    """
    if isinstance(error, ServerFailed):
        return ServerGone(
            f"the server fails with every text: {error}; see its log, then run the same command "
            "again"
        )
    if isinstance(error, ServerUnavailable):
        return ServerGone(f"the server is unavailable: {error}; {advice}")
    if isinstance(error, RequestRejected):
        return UsageProblem(_rejection(error, url, model))
    return UsageProblem(f"the response of {url} is unusable: {error}")


def _rejection(error: RequestRejected, url: str, model: str) -> str:
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"{url} rejects the API key: {error.message}; set --api-key"
    if error.status == HTTPStatus.NOT_FOUND or error.param == "model":
        return f"{url} does not serve '{model}': {error.message}; check --model and --url"
    if error.param in OPTIONS:
        return f"{url} rejects --{error.param.replace('_', '-')}: {error.message}"
    return f"{url} rejects a request: {error.message}"
