"""The error that ends an export, and errors of libraries as part of its message."""

from __future__ import annotations


class ExportError(Exception):
    """The checkpoint cannot be exported; the message gives the reason and the remedy."""


def one_line(error: BaseException) -> str:
    """Return the message of a library's exception as one line; its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
