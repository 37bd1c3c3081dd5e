r"""Lone surrogates in JSON, such as ``"cost \ud83d"``: an emoji that JavaScript has split."""

from __future__ import annotations

import re

from pydantic import ValidationError

START, ESCAPE = rb"(\\(?<!\\\\)", rb"(?:\\\\)*u)"
"""An escaped code unit: an even number of backslashes before it is text. Patterns begin with a
backslash, for which `re` searches a hundred times faster than for a condition."""

HIGH, LOW = rb"[dD][89abAB][0-9a-fA-F]{2}", rb"[dD][c-fC-F][0-9a-fA-F]{2}"
"""The first and the second half of a pair."""

LONE_HIGH = re.compile(START + ESCAPE + HIGH + rb"(?!\\u" + LOW + rb")")
LONE_LOW = re.compile(START + rb"(?<!\\u" + HIGH + rb"\\)" + ESCAPE + LOW)

REPLACEMENT = rb"\1fffd"
"""The replacement character, as decoders of UTF-8 use it."""


def has_lone_surrogate(failure: ValidationError) -> bool:
    """Return whether a lone surrogate may be the reason that a body is not valid JSON."""
    if failure.error_count() > 1:
        return False
    (error,) = failure.errors(include_url=False, include_input=False)
    return error["type"] == "json_invalid" and "hex escape" in error["ctx"]["error"]


def replace_lone_surrogates(body: bytes) -> bytes:
    """Return a JSON text with the replacement character in place of lone surrogates."""
    return LONE_LOW.sub(REPLACEMENT, LONE_HIGH.sub(REPLACEMENT, body))
