"""Booleans in Triton model parameters, which are texts."""

from __future__ import annotations


def write_boolean(value: bool) -> str:
    """Return ``true`` or ``false``."""
    return str(value).lower()


def read_boolean(text: str) -> bool:
    """Read ``true`` or ``false``.

    Raises:
        ValueError: the text is neither.
    """
    if text not in ("true", "false"):
        raise ValueError(f"'{text}' is neither 'true' nor 'false'")
    return text == "true"
