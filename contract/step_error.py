"""The form in which a step's error passes through Triton, which transports a message only."""

from __future__ import annotations

import re

from triton_embed.contract.errors import InvalidRequest

PATTERN = re.compile(
    r"(?:in ensemble '[^']*', )?"  # Triton's
    r"(?P<message>.*?)"
    r"(?: \(input\[(?P<index>[0-9]+)\]\))?"
    r" \[(?P<code>[a-z_]+)\]",
    re.DOTALL,
)


def write_step_error(error: InvalidRequest) -> str:
    """Return the message that carries `error`; Triton's own do not end with a code."""
    return f"{error} [{error.code}]"


def read_step_error(message: str) -> InvalidRequest | None:
    """Return the error that one of our steps reported; ``None`` if `message` is Triton's own."""
    found = PATTERN.fullmatch(message)
    if not found:
        return None
    index = found["index"]
    return InvalidRequest(
        found["message"],
        # The gateway has already validated the options.
        param="input",
        code=found["code"],
        index=None if index is None else int(index),
    )
