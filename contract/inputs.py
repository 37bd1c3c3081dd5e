"""Mapping over the inputs of a request, with the index of an invalid input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from triton_embed.contract.errors import InvalidRequest

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
