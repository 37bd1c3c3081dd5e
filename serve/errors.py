"""Errors of the supervisor."""

from __future__ import annotations


class ServeError(Exception):
    """The command cannot continue; the message gives the reason and the remedy."""


class TritonError(Exception):
    """A request to Triton failed.

    Attributes:
        message: Triton's description of the failure.
        status: Name of the gRPC status, such as ``NOT_FOUND``.
    """

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
