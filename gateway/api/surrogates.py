r"""Lone surrogates in JSON, such as ``"cost \ud83d"``: an emoji that JavaScript has split."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

from pydantic import ValidationError

ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
"""The beginning of an escaped surrogate."""

SURROGATE = re.compile("[\ud800-\udfff]")

REPLACEMENT = "\ufffd"
"""The replacement character, as decoders of UTF-8 use it."""

MAX_SURROGATES = 1 << 16
"""Maximum escaped surrogates in a body that has a lone one. Replacing them takes 20 ms, during
which the gateway serves no other request."""


def has_lone_surrogate(failure: ValidationError) -> bool:
    """Return whether a lone surrogate may be the reason that a body is not valid JSON."""
    if failure.error_count() > 1:
        return False
    (error,) = failure.errors(include_url=False, include_input=False)
    return error["type"] == "json_invalid" and "hex escape" in error["ctx"]["error"]


def parse_replaced(body: bytes) -> Any:
    """Parse a JSON text, with the replacement character in place of lone surrogates.

    Raises:
        ValueError: the text is not valid JSON, or has too many surrogates.
    """
    if sum(1 for _ in islice(ESCAPED.finditer(body), MAX_SURROGATES + 1)) > MAX_SURROGATES:
        raise ValueError(f"more than {MAX_SURROGATES} surrogates, at least one without its pair")
    try:
        # Unlike pydantic, the standard library accepts lone surrogates.
        return _replaced(json.loads(body))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else SURROGATE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return list(map(_replaced, value))
    if isinstance(value, dict):
        return {_replaced(key): _replaced(item) for key, item in value.items()}
    return value
