from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.prompt_marks import PromptMarks

PROMPT = "query: "


@pytest.fixture
def tokenizer(tokenizer_file: str) -> Tokenizer:
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def test_prompt_and_special_tokens_before_it_are_marked(tokenizer: Tokenizer) -> None:
    cls, query, colon, fox, sep = ids = tokenizer.encode("query: fox").ids
    expected = [~cls, ~query, ~colon, fox, sep]
    assert PromptMarks(tokenizer).mark_text(ids, PROMPT) == expected
    assert PromptMarks(tokenizer).mark_ids(ids, PROMPT) == expected


def test_text_without_a_prompt_is_not_marked(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("fox").ids
    assert PromptMarks(tokenizer).mark_text(ids, "") == ids


def test_token_ids_without_the_prompt_are_not_marked(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("a fox").ids
    assert PromptMarks(tokenizer).mark_ids(ids, PROMPT) == ids
