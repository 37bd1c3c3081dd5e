"""Excerpts of long texts, whose kept tokens equal those of the whole text.

Tokenizing a megabyte of text takes a second, although a model keeps only a few hundred tokens. A
part that ends (or begins) between two words is enough, because no token spans the boundary.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tokenizers import Tokenizer

from triton_embed.contract.options import Truncate

CHARACTERS_PER_TOKEN = 8
"""Length of the first excerpt, in characters per token of the limit: twice that of English."""

GROWTH = 8
"""Factor by which the next excerpt is longer, if one has too few tokens. All excerpts together are
not much longer than the last one."""

BOUNDARY = re.compile(r"(?<=[^\W_]) (?=[^\W_])")
"""A space between two words, where no normalizer or pre-tokenizer changes the text."""

ACROSS = re.compile(r"[^\W_][ ▁Ġ]")
"""A token that spans the end of a word and a space: as raw text, in SentencePiece's form or in
byte-level form. Few tokenizers have such tokens."""


class Excerpt(NamedTuple):
    """A part of a text, with the prompt.

    Attributes:
        text: The text to tokenize.
        is_whole: Whether the text is complete.
        beginning: The part of `text` before the omission, unless the omission is at the end. It
            is needed to find the prompt's tokens, which the first characters may change.
    """

    text: str
    is_whole: bool
    beginning: str = ""


class Excerpts:
    """Makes excerpts of texts for one tokenizer.

    Args:
        tokenizer: The model's tokenizer.
        max_tokens: The model's limit.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._are_words_separate = not any(map(ACROSS.search, tokenizer.get_vocab()))

    @property
    def first_size(self) -> int:
        """Length of the first excerpt of a text, in characters."""
        return CHARACTERS_PER_TOKEN * self._max_tokens

    def excerpt(self, prompt: str, text: str, truncate: Truncate, size: int) -> Excerpt:
        """Return the prompt and about `size` characters of `text`, from the side that is kept."""
        if len(text) > size and self._are_words_separate:
            if truncate is not Truncate.START:
                position = _last_boundary(text, size)
                if position:
                    return Excerpt(prompt + text[:position], is_whole=False)
            elif first := BOUNDARY.search(text):
                last = BOUNDARY.search(text, max(len(text) - size, first.end()))
                if last:
                    beginning = prompt + text[: first.start()]
                    return Excerpt(beginning + text[last.start() :], False, beginning)
        return Excerpt(prompt + text, is_whole=True)

    def suffices(self, excerpt: Excerpt, tokens: int) -> bool:
        """Return whether an excerpt with `tokens` contains all tokens that are kept."""
        if excerpt.is_whole:
            return True
        if excerpt.beginning:
            tokens -= len(self._tokenizer.encode(excerpt.beginning).ids)
        return tokens > self._max_tokens


def _last_boundary(text: str, size: int) -> int:
    """Return the position of the last `BOUNDARY` in the first `size` characters; 0 if none."""
    position = text.rfind(" ", 0, size)
    while position > 0 and not BOUNDARY.match(text, position):
        position = text.rfind(" ", 0, position)
    return max(position, 0)
