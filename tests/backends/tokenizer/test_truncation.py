from __future__ import annotations

from dataclasses import replace

import pytest
from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.truncation import Truncation
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import InputType, Options, Truncate
from triton_embed.contract.spec import ModelSpec

CLS, SEP = 101, 102
SPEC = ModelSpec(model_id="m", max_tokens=8, vocab_size=30522, dimension=4)
PROMPTED = replace(SPEC, prompt_query="query: ", prompt_passage="passage: ")

TEXT = "a b c d e f g h i j"


@pytest.fixture
def tokenizer(tokenizer_file: str) -> Tokenizer:
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text).ids)


def test_ids_within_the_limit_are_returned_unchanged(tokenizer: Tokenizer) -> None:
    ids = list(range(8))
    assert Truncation(tokenizer, SPEC).truncate(ids, Options()) is ids


def test_ids_over_the_limit_are_rejected_without_the_option(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidRequest, match="length 9 exceeds maximum allowed token size 8"):
        Truncation(tokenizer, SPEC).truncate(list(range(9)), Options())


def test_end_is_truncated_as_by_the_tokenizer_itself(tokenizer: Tokenizer) -> None:
    options = Options(truncate=Truncate.END)
    truncated = Truncation(tokenizer, SPEC).truncate(ids_of(tokenizer, TEXT), options)
    tokenizer.enable_truncation(SPEC.max_tokens)
    assert truncated == ids_of(tokenizer, TEXT)


def test_queries_and_passages_have_limits_of_their_own(tokenizer: Tokenizer) -> None:
    truncation = Truncation(tokenizer, replace(SPEC, max_tokens_query=4, max_tokens_passage=6))
    ids = ids_of(tokenizer, TEXT)
    for input_type, limit in ((InputType.QUERY, 4), (InputType.PASSAGE, 6), (None, 8)):
        truncated = truncation.truncate(ids, Options(input_type, Truncate.END))
        assert truncated == [*ids[: limit - 1], SEP]
    with pytest.raises(InvalidRequest, match="length 5 exceeds maximum allowed token size 4"):
        truncation.truncate(ids[:5], Options(InputType.QUERY))


def test_truncated_start_keeps_prompt_and_special_tokens(tokenizer: Tokenizer) -> None:
    options = Options(InputType.QUERY, Truncate.START)
    ids = ids_of(tokenizer, f"query: {TEXT}")
    truncated = Truncation(tokenizer, PROMPTED).truncate(ids, options)
    assert truncated == ids_of(tokenizer, "query: g h i j")


def test_prompt_over_the_limit_is_truncated_too(tokenizer: Tokenizer) -> None:
    spec = replace(SPEC, prompt_query="a " * 20)
    options = Options(InputType.QUERY, Truncate.START)
    ids = ids_of(tokenizer, f"{spec.prompt_query}b")
    truncated = Truncation(tokenizer, spec).truncate(ids, options)
    assert truncated == [CLS, *[1037] * 6, SEP]


@pytest.mark.parametrize(
    ("truncate", "kept"), [(Truncate.START, range(2, 10)), (Truncate.END, range(8))]
)
def test_ids_without_special_tokens_are_truncated_at_the_requested_end(
    tokenizer: Tokenizer, truncate: Truncate, kept: range
) -> None:
    options = Options(truncate=truncate)
    assert Truncation(tokenizer, SPEC).truncate(list(range(10)), options) == list(kept)


@pytest.mark.parametrize("input_type", InputType)
@pytest.mark.parametrize("truncate", [Truncate.START, Truncate.END])
def test_ids_without_special_tokens_keep_the_prompt(
    tokenizer: Tokenizer, truncate: Truncate, input_type: InputType
) -> None:
    bare = ids_of(tokenizer, f"{input_type.value}: {TEXT}")[1:-1]
    truncated = Truncation(tokenizer, PROMPTED).truncate(bare, Options(input_type, truncate))
    assert truncated == [*bare[:2], *bare[-6:]] if truncate is Truncate.START else bare[:8]
