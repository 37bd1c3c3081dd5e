"""Triton's errors as errors of the API."""

from __future__ import annotations

import re

from triton_embed.contract.errors import InvalidRequest

STEP_ERROR = re.compile(
    r"(?:in ensemble '[^']*', )?"  # Triton's
    r"(?P<message>.*?)"
    r"(?: \(input\[(?P<index>[0-9]+)\]\))?"
    r" \[(?P<code>[a-z_]+)\]",
    re.DOTALL,
)
"""Matches the message of an error that `backends.adapter` wrote, and of no other."""


def step_error(message: str) -> InvalidRequest | None:
    """Return the error that a step of ours reported; ``None`` if `message` is Triton's own."""
    found = STEP_ERROR.fullmatch(message)
    if not found:
        return None
    index = found["index"]
    return InvalidRequest(
        found["message"],
        # The gateway has validated the options before.
        param="input",
        code=found["code"],
        index=None if index is None else int(index),
    )
