"""The special tokens that a tokenizer puts around each text."""

from __future__ import annotations

from itertools import takewhile

from tokenizers import Tokenizer


def special_tokens_around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the ids of the special tokens before and after each text."""
    example = tokenizer.encode("a")
    leading = sum(1 for _ in takewhile(bool, example.special_tokens_mask))
    trailing = sum(1 for _ in takewhile(bool, reversed(example.special_tokens_mask)))
    return example.ids[:leading], example.ids[len(example.ids) - trailing :]
