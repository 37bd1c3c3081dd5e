"""The one error that keeps the service, or a part of it, from starting."""

from __future__ import annotations


class ServeError(Exception):
    """What was to be done cannot be done; the message says why and what to do about it."""
