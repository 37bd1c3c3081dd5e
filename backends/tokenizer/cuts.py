"""Positions at which a long text may be cut, because no token spans them in any context.

A text with spaces is cut between two words. A text without (Chinese, base64, an endless word) needs
a rule that depends on the kind of tokenizer; without a rule, the whole text is tokenized.
"""

from __future__ import annotations

import re
from itertools import islice

from tokenizers import Tokenizer, models

from triton_embed.backends.tokenizer.components import component_settings
from triton_embed.backends.tokenizer.subwords import Subwords

BETWEEN_WORDS = re.compile(r" (?<=[^\W_] )(?=[^\W_])")
"""A space between two words, where no normalizer or pre-tokenizer changes the text. The pattern
begins with the space, because `re` finds a literal much faster than a condition."""

ACROSS = re.compile(r"[^\W_][ ▁Ġ]")
"""A token that spans the end of a word and a space: as raw text, in SentencePiece's form or in
byte-level form. Few tokenizers have such tokens."""

HAN = "㐀-䶿一-鿿"

LETTERS = f"A-Za-zÀ-ÖØ-öø-ɏΈ-ώА-ҁҊ-ԯא-תؠ-يぁ-ゖァ-ヺー{HAN}가-힣"
"""Letters that no normalizer combines with another of them."""

SEPARATE = rf"!-/:-@\[-`{{-~{HAN}"
"""Characters that are words of their own for BERT: punctuation of ASCII, and Chinese."""

PLAIN = f"0-9{LETTERS}{SEPARATE}"

BESIDE_SEPARATE = re.compile(f"(?<=[{PLAIN}])(?=[{PLAIN}])(?:(?<=[{SEPARATE}])|(?=[{SEPARATE}]))")
"""A position at which BERT's pre-tokenizer separates two words without a space."""

AMONG_LETTERS = re.compile(f"(?<=[{LETTERS}]{{4}})(?=[{LETTERS}]{{4}})")
"""A position within a word, away from contractions such as ``'ll``, which pre-tokenizers split."""

MAX_SEARCH = 256
"""Maximum positions to try before the whole text is tokenized. In random letters, about every tenth
position is suitable."""


class Cuts:
    """Finds cuts for one tokenizer.

    Args:
        tokenizer: The model's tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._are_words_separate = not any(map(ACROSS.search, tokenizer.get_vocab()))
        contents = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        self._added = [content.casefold() for content in contents if content]
        self._reach = max(map(len, self._added), default=0)
        self._is_bert = _is_bert(tokenizer)
        self._subwords = None if self._is_bert else Subwords.of(tokenizer)
        self._max_word: int | None = None
        if self._is_bert and all(map(_is_bracketed, contents)):
            self._max_word = tokenizer.model.max_input_chars_per_word

    def last(self, text: str, stop: int) -> int:
        """Return the position of a cut before `stop`, near it if possible; 0 if there is none."""
        for position in range(stop, max(stop - MAX_SEARCH, 0), -1):
            if self._allows(text, position):
                return position
        position = stop
        for _ in range(MAX_SEARCH):
            position = text.rfind(" ", 0, position)
            if position <= 0 or self._allows(text, position):
                break
        else:
            position = 0
        return max(position, 0)

    def omission(self, text: str, start: int) -> tuple[int, int] | None:
        """Return two cuts between which `text` may be omitted; ``None`` if there are none.

        The first is near the beginning, the second after `start` and near it.
        """
        first = self._next(text, 1)
        if not first:
            return None
        for _ in range(MAX_SEARCH):
            last = self._next(text, max(start, first + 1))
            if not last:
                return None
            if self._joins(text, first, last):
                return first, last
            start = last + 1
        return None

    def condense(self, text: str) -> str:
        """Return `text` without the repetitions that its tokens do not show.

        For BERT, a word over a limit is one unknown token, and spaces are equal to one space.
        """
        if self._max_word is None:
            return text
        text = re.sub(r"[ \t\n\r]{2,}", " ", text)
        # The condition in front avoids a search within each word.
        long_word = rf"(?<![0-9A-Za-z])([0-9A-Za-z]{{{self._max_word + 1}}})[0-9A-Za-z]+"
        return re.sub(long_word, r"\1", text)

    def _next(self, text: str, start: int) -> int:
        """Return the position of the next cut on both of whose sides tokens are independent."""
        for position in range(start, min(start + MAX_SEARCH, len(text))):
            if self._allows(text, position, both_sides=True):
                return position
        if self._are_words_separate:
            for found in islice(BETWEEN_WORDS.finditer(text, start), MAX_SEARCH):
                if self._allows(text, found.start(), both_sides=True):
                    return found.start()
        return 0

    def _joins(self, text: str, first: int, last: int) -> bool:
        """Return whether the text before `first` and the text after `last` meet at a cut."""
        left = text[:first]
        # Twice the reach covers the characters that any rule reads.
        reach = 2 * max(self._reach, self._subwords.reach if self._subwords else 0, 4)
        return self._allows(left + text[last : last + reach], first, both_sides=True)

    def _allows(self, text: str, position: int, *, both_sides: bool = False) -> bool:
        if BETWEEN_WORDS.match(text, position):
            allowed = self._are_words_separate
        elif self._is_bert:
            allowed = BESIDE_SEPARATE.match(text, position) is not None
        elif self._subwords and (self._subwords.are_independent or not both_sides):
            allowed = AMONG_LETTERS.match(text, position) is not None and (
                self._subwords.are_separate(text, position)
            )
        else:
            allowed = False
        return allowed and not self._is_in_added_token(text, position)

    def _is_in_added_token(self, text: str, position: int) -> bool:
        """Return whether an added token, which is found before all else, is near."""
        near = text[max(position - self._reach, 0) : position + self._reach].casefold()
        return any(content in near for content in self._added)


def _is_bert(tokenizer: Tokenizer) -> bool:
    """Return whether words are separated as in BERT, and each is tokenized for itself."""
    if not isinstance(tokenizer.model, models.WordPiece):
        return False
    normalizer = component_settings(tokenizer.normalizer)
    pre_tokenizer = component_settings(tokenizer.pre_tokenizer)
    return (
        normalizer.get("type") == "BertNormalizer"
        and bool(normalizer.get("handle_chinese_chars"))
        and pre_tokenizer.get("type") == "BertPreTokenizer"
    )


def _is_bracketed(content: str) -> bool:
    """Return whether an added token such as ``[MASK]`` cannot be found within a word."""
    return bool(content) and not (content[0].isalnum() or content[-1].isalnum() or " " in content)
