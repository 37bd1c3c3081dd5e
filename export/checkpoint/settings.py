"""Typed values of a JSON file; each error names the file, the key and the required type."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triton_embed.export.errors import ExportError

MAX_INTEGER = 2**31 - 1
"""Maximum of sizes, counts and ids: the served model has them as int32."""


@dataclass(frozen=True)
class Settings:
    """The content of one JSON file. ``null`` is treated like a missing key.

    Attributes:
        file: The file's name, for messages.
        values: Its content.
    """

    file: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str | None:
        """Return a string; ``None``: the file has none."""
        return self._value(key, str, "a string")

    def flag(self, key: str) -> bool | None:
        """Return a truth value; ``None``: the file has none."""
        return self._value(key, bool, "true or false")

    def object(self, key: str) -> dict[str, Any]:
        """Return an object; empty: the file has none."""
        return self._value(key, dict, "an object") or {}

    def integer(self, key: str, minimum: int = 1) -> int | None:
        """Return a whole number; ``None``: the file has none."""
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) is not int or not minimum <= value <= MAX_INTEGER:
            raise self.error(key, f"a whole number of at least {minimum}")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of strings; empty: the file has none."""
        values = self._value(key, list, "a list of strings") or []
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "a list of strings")
        return values

    def integers(self, key: str, minimum: int = 1) -> list[int]:
        """Return a list of whole numbers; empty: the file has none."""
        values = self._value(key, list, f"a list of whole numbers of at least {minimum}") or []
        if not all(type(value) is int and minimum <= value <= MAX_INTEGER for value in values):
            raise self.error(key, f"a list of whole numbers of at least {minimum}")
        return values

    def named_texts(self, key: str) -> dict[str, str]:
        """Return an object of strings, without the ``null`` values; empty: the file has none."""
        values = {name: text for name, text in self.object(key).items() if text is not None}
        if not all(isinstance(text, str) and is_unicode(text) for text in values.values()):
            raise self.error(key, "an object of strings")
        return values

    def error(self, key: str, expected: str) -> ExportError:
        """Return the error for a value of the wrong type."""
        return ExportError(
            f"{self.file}: {key} is {shown(self.values.get(key))}, but must be {expected}"
        )

    def _value(self, key: str, kind: type, expected: str) -> Any:
        value = self.values.get(key)
        if value is not None and not isinstance(value, kind):
            raise self.error(key, expected)
        return value


def shown(value: object) -> str:
    """Return a value of a JSON file for a message, shortened to one line."""
    return reprlib.repr(value)


def is_unicode(text: str) -> bool:
    """Return whether `text` can be encoded as UTF-8: JSON may contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
