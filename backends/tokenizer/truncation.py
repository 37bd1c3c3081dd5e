"""Truncation of token ids to a model's limit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import takewhile
from operator import eq

from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.special_tokens import special_tokens_around
from triton_embed.contract.messages import input_too_long
from triton_embed.contract.options import InputType, Options, Truncate
from triton_embed.contract.spec import ModelSpec


class Truncation:
    """Truncates token ids according to a request's ``truncate`` option.

    Special tokens around the text are kept, and the prompt if the start is truncated.

    Args:
        tokenizer: The model's tokenizer.
        spec: The model's limit and prompts.
    """

    def __init__(self, tokenizer: Tokenizer, spec: ModelSpec) -> None:
        self._tokenizer = tokenizer
        self._spec = spec
        self._leading, self._trailing = special_tokens_around(tokenizer)
        self._prompt_ids = cache(self._encode_prompt)

    def truncate(self, ids: list[int], options: Options, kept: int = 0) -> list[int]:
        """Return `ids`, truncated if they exceed the limit.

        Args:
            ids: The token ids of an input.
            options: The options of its request.
            kept: Number of ids at the start that must be kept, because they contain an image.

        Raises:
            InvalidRequest: they exceed the limit, and the request allows no truncation, or the ids
                to be kept alone exceed it.
        """
        limit = self._spec.token_limit(options.input_type)
        if len(ids) <= limit:
            return ids
        if options.truncate is Truncate.NONE:
            raise input_too_long(len(ids), limit)
        # A client that sends token ids may omit the trailing special tokens and the prompt.
        tail = _common_length(reversed(ids), reversed(self._trailing))
        if kept + tail > limit:
            raise input_too_long(kept + tail, limit)
        if options.truncate is Truncate.END:
            return ids[: limit - tail] + ids[len(ids) - tail :]
        head = _common_length(ids, self._leading)
        head += _common_length(ids[head:], self._prompt_ids(options.input_type))
        head = min(max(head, kept), limit - tail)
        return ids[:head] + ids[len(ids) - limit + head :]

    def _encode_prompt(self, input_type: InputType | None) -> list[int]:
        ids: list[int] = self._tokenizer.encode(
            self._spec.prompt(input_type), add_special_tokens=False
        ).ids
        return ids


def _common_length(ids: Iterable[int], others: Iterable[int]) -> int:
    """Return the number of ids at the start that both have in common."""
    return sum(1 for _ in takewhile(bool, map(eq, ids, others)))
