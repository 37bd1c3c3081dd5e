"""Excerpts of long texts, whose kept tokens equal those of the whole text.

Tokenizing a megabyte of text takes seconds, although a model keeps only a few hundred tokens. A
part that ends (or begins) at a cut (`cuts`) is enough, because no token spans it.
"""

from __future__ import annotations

from typing import NamedTuple

from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.cuts import Cuts
from triton_embed.contract.options import Truncate

CHARACTERS_PER_TOKEN = 8
"""Length of the first excerpt, in characters per token of the limit: twice that of English."""

GROWTH = 8
"""Factor by which the next excerpt is longer, if one has too few tokens. All excerpts together are
not much longer than the last one."""


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
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._cuts = Cuts(tokenizer)

    def condense(self, text: str, limit: int) -> str:
        """Return `text`, if it is long, without repetitions that do not affect its tokens."""
        return self._cuts.condense(text) if len(text) > CHARACTERS_PER_TOKEN * limit else text

    def excerpt(
        self, prompt: str, text: str, truncate: Truncate, limit: int, growth: int = 1
    ) -> Excerpt:
        """Return the prompt and a part of `text`, from the side that is kept.

        Args:
            prompt: The text before `text`.
            text: The text.
            truncate: The side on which the text is truncated.
            limit: Maximum tokens that are kept.
            growth: Factor on the length of the part.
        """
        size = CHARACTERS_PER_TOKEN * limit * growth
        if len(text) > size:
            if truncate is not Truncate.START:
                position = self._cuts.last(text, size)
                if position:
                    return Excerpt(prompt + text[:position], is_whole=False)
            elif omission := self._cuts.omission(text, len(text) - size):
                first, last = omission
                beginning = prompt + text[:first]
                return Excerpt(beginning + text[last:], False, beginning)
        return Excerpt(prompt + text, is_whole=True)

    def suffices(self, excerpt: Excerpt, tokens: int, limit: int) -> bool:
        """Return whether an excerpt with `tokens` contains all tokens that are kept."""
        if excerpt.is_whole:
            return True
        if excerpt.beginning:
            tokens -= len(self._tokenizer.encode(excerpt.beginning).ids)
        return tokens > limit
