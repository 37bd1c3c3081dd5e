"""The one error that ends an export."""

from __future__ import annotations


class ExportError(Exception):
    """The checkpoint cannot be exported; the message says why and what to do about it."""
