"""The error that ends an export."""

from __future__ import annotations


class ExportError(Exception):
    """The checkpoint cannot be exported; the message gives the reason and the remedy."""
