r"""Lone surrogates in JSON, such as ``"cost \ud83d"``: an emoji that JavaScript has split."""

from __future__ import annotations

import re

ESCAPE = rb"(?<!\\)((?:\\\\)*\\u)"
"""The start of an escaped code unit; an even number of backslashes before it is text."""

HIGH, LOW = rb"[dD][89abAB][0-9a-fA-F]{2}", rb"[dD][c-fC-F][0-9a-fA-F]{2}"
"""The first and the second half of a pair."""

LONE_HIGH = re.compile(ESCAPE + HIGH + rb"(?!\\u" + LOW + rb")")
LONE_LOW = re.compile(rb"(?<!\\u" + HIGH + rb")" + ESCAPE + LOW)

REPLACEMENT = rb"\1fffd"
"""The replacement character, as decoders of UTF-8 use it."""


def replace_lone_surrogates(body: bytes) -> bytes:
    """Return a JSON text with the replacement character in place of lone surrogates."""
    return LONE_LOW.sub(REPLACEMENT, LONE_HIGH.sub(REPLACEMENT, body))
