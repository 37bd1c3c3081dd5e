"""Boundaries between subwords, for tokenizers that merge any neighbors: BPE and Unigram."""

from __future__ import annotations

import re
import string
from typing import Any

from tokenizers import Tokenizer, models

from triton_embed.backends.tokenizer.components import component_settings

MAX_TOKEN_CHARACTERS = 64
"""Maximum length of a token, in characters of the model: the length of long words. If a vocabulary
has longer tokens, checking a position would take too long: texts are tokenized whole."""

LOCAL_NORMALIZERS = frozenset(
    {
        *("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt"),
        *("Precompiled", "Prepend", "Strip", "StripAccents"),
    }
)
"""Normalizers that change each letter by itself, or only the ends of a text."""

LOCAL_PRE_TOKENIZERS = frozenset(
    {
        *("BertPreTokenizer", "ByteLevel", "Digits", "Metaspace", "Punctuation", "Whitespace"),
        "WhitespaceSplit",
    }
)
"""Pre-tokenizers that keep a run of letters together, from its first to its last."""

SPACES = re.compile(r"(?:\\[snrt]|[ ▁+*?|()^$]|\{[0-9,]*\})+")
"""A regular expression that matches nothing but spaces."""

NO_LETTERS = frozenset(string.punctuation + string.whitespace + "▁ĠĊĉč")
"""Characters that are part of no letter, in any form; some vocabularies have long runs of them."""

LETTER_RUNS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+",
)
"""Beginnings of the regular expressions of cl100k (Llama 3, Qwen) and of GPT-2."""


class Subwords:
    """Decides whether a token can span a position within a word.

    A position is safe if no substring around it is in the vocabulary. BPE then merges nothing
    across it, and every path of Unigram passes it, so that the tokens before it are those of the
    text that ends there.

    Args:
        tokenizer: A tokenizer of a supported kind, see `of`.
        max_token: Maximum length of a token, in characters of the model.

    Attributes:
        are_independent: Whether the tokens after the position are also those of the text that
            begins there. Not for Unigram, which compares sums that differ by rounding.
        reach: Characters on each side that decide.
    """

    def __init__(self, tokenizer: Tokenizer, max_token: int) -> None:
        self._tokenizer = tokenizer
        self._max_token = max_token
        self._prefix = self._form("a").removesuffix("a")
        self.are_independent = isinstance(tokenizer.model, models.BPE)
        self.reach = 2 * max_token

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Subwords | None:
        """Return the subwords of `tokenizer`; ``None`` if its tokens depend on distant text."""
        if not _is_supported(tokenizer):
            return None
        longest = max((len(token) for token in tokenizer.get_vocab() if _counts(token)), default=0)
        return cls(tokenizer, longest) if 0 < longest <= MAX_TOKEN_CHARACTERS else None

    def are_separate(self, text: str, position: int) -> bool:
        """Return whether no token can span `position`, which must be among letters."""
        if position < self.reach:
            return False
        left = text[position - self.reach : position]
        right = text[position : position + self.reach]
        before, after = self._form(left), self._form(right).removeprefix(self._prefix)
        whole = self._form(left + right)
        if whole != before + after:
            return False
        middle = len(before)
        find = self._tokenizer.token_to_id
        return not any(
            find(whole[start : start + length]) is not None
            for length in range(2, self._max_token + 1)
            for start in range(max(middle - length + 1, 0), middle)
        )

    def _form(self, text: str) -> str:
        """Return `text` in the characters of the vocabulary."""
        if self._tokenizer.normalizer:
            text = self._tokenizer.normalizer.normalize_str(text)
        if self._tokenizer.pre_tokenizer:
            pieces = self._tokenizer.pre_tokenizer.pre_tokenize_str(text)
            text = "".join(piece for piece, _ in pieces)
        return text


def _is_supported(tokenizer: Tokenizer) -> bool:
    model = tokenizer.model
    if isinstance(model, models.BPE):
        # A suffix that marks the end of a word would change the last subword of an excerpt.
        if model.end_of_word_suffix or model.continuing_subword_prefix or model.dropout:
            return False
    elif not isinstance(model, models.Unigram):
        return False
    return _is_local_normalizer(
        component_settings(tokenizer.normalizer)
    ) and _is_local_pre_tokenizer(component_settings(tokenizer.pre_tokenizer))


def _is_local_normalizer(normalizer: dict[str, Any]) -> bool:
    kind = normalizer.get("type")
    if kind == "Sequence":
        return all(map(_is_local_normalizer, normalizer["normalizers"]))
    if kind == "Replace":
        return _matches_no_letters(normalizer["pattern"])
    return kind is None or kind in LOCAL_NORMALIZERS


def _is_local_pre_tokenizer(pre_tokenizer: dict[str, Any]) -> bool:
    kind = pre_tokenizer.get("type")
    if kind == "Sequence":
        return all(map(_is_local_pre_tokenizer, pre_tokenizer["pretokenizers"]))
    if kind == "Split":
        pattern = pre_tokenizer["pattern"]
        return _matches_no_letters(pattern) or pattern.get("Regex", "").startswith(LETTER_RUNS)
    return kind is None or kind in LOCAL_PRE_TOKENIZERS


def _matches_no_letters(pattern: dict[str, str]) -> bool:
    if "Regex" in pattern:
        return SPACES.fullmatch(pattern["Regex"]) is not None
    return not any(map(str.isalpha, pattern["String"]))


def _counts(token: str) -> bool:
    """Return whether a token contains more than spaces and punctuation."""
    return not NO_LETTERS.issuperset(token)
