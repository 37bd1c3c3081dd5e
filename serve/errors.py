"""The one error that keeps the service from starting."""

from __future__ import annotations


class ServeError(Exception):
    """The service cannot start; the message says why and what to do about it."""
