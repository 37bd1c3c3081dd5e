"""The error of a model repository."""

from __future__ import annotations


class RepositoryError(Exception):
    """The repository cannot be read or changed; the message gives the reason and the remedy."""
