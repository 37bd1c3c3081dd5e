"""Marks on the tokens of a prompt, for models that do not pool them."""

from __future__ import annotations

from functools import cache

from tokenizers import Tokenizer


class PromptMarks:
    """Replaces the ids of a prompt by their one's complement.

    The prompt's tokens are those that `tokenizer` makes of it alone, special tokens in front of it
    included, as in sentence-transformers.

    Args:
        tokenizer: The model's tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._prompt_ids = cache(self._encode_prompt)

    def mark_text(self, ids: list[int], prompt: str) -> list[int]:
        """Return the ids of a text that begins with `prompt`, with marks."""
        return _marked(ids, len(self._prompt_ids(prompt)))

    def mark_ids(self, ids: list[int], prompt: str) -> list[int]:
        """Return a client's token ids, with marks if they begin with those of `prompt`."""
        expected = self._prompt_ids(prompt)
        return _marked(ids, len(expected)) if ids[: len(expected)] == expected else ids

    def _encode_prompt(self, prompt: str) -> list[int]:
        if not prompt:
            return []
        encoding = self._tokenizer.encode(prompt)
        ids: list[int] = encoding.ids
        return ids[:-1] if encoding.special_tokens_mask[-1] else ids


def _marked(ids: list[int], count: int) -> list[int]:
    return [~token for token in ids[:count]] + ids[count:]
