"""Inputs of a request: the limit on their size, and mapping with the index of an invalid input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from triton_embed.contract.errors import InvalidRequest

MAX_TEXT_BYTES = 1 << 20
"""Maximum bytes of one text; a longer one is rejected. Other requests wait while it is tokenized.
The longest supported models take 32 768 tokens, a few hundred kilobytes."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_inputs(items: Sequence[Item], function: Callable[[Item], Result]) -> list[Result]:
    """Return the results of `function` for the inputs of a request, in order.

    Raises:
        InvalidRequest: `function` rejected an input; if there are several, with its index.
    """
    results: list[Result] = []
    try:
        for item in items:
            results.append(function(item))
    except InvalidRequest as error:
        if len(items) > 1:
            raise error.with_index(len(results)) from None
        raise
    return results


def validate_text_size(size: int) -> None:
    """Raise InvalidRequest for a text over the limit.

    Args:
        size: Its bytes, or a lower bound of them such as its characters.
    """
    if size > MAX_TEXT_BYTES:
        raise InvalidRequest(
            f"'input': a text of at least {size} bytes exceeds the maximum of {MAX_TEXT_BYTES} "
            "bytes",
            param="input",
        )
