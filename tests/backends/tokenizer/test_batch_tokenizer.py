from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.batch_tokenizer import (
    MAX_CHUNK_CHARACTERS,
    BatchTokenizer,
    Request,
)
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.inputs import MAX_TEXT_BYTES
from triton_embed.contract.options import InputType, Modality, Options, Truncate
from triton_embed.contract.spec import ModelSpec

CLS, SEP = 101, 102
SPEC = ModelSpec(model_id="m", max_tokens=8, vocab_size=30522, dimension=4)
PROMPTED = replace(SPEC, prompt_query="query: ", prompt_passage="passage: ")


@pytest.fixture
def tokenizer(tokenizer_file: str) -> BatchTokenizer:
    return BatchTokenizer(Tokenizer.from_file(tokenizer_file), SPEC)


@pytest.fixture
def prompted(tokenizer_file: str) -> BatchTokenizer:
    return BatchTokenizer(Tokenizer.from_file(tokenizer_file), PROMPTED)


def ids_of(tokenizer_file: str, text: str) -> list[int]:
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return list(tokenizer.encode(text).ids)


def test_requests_are_tokenized_together_with_a_result_each(
    tokenizer: BatchTokenizer, tokenizer_file: str
) -> None:
    first, second = tokenizer.encode(
        [Request([b"one", b"two three"], Options()), Request([b"four"], Options())]
    )
    assert first == [ids_of(tokenizer_file, "one"), ids_of(tokenizer_file, "two three")]
    assert second == [ids_of(tokenizer_file, "four")]


def test_invalid_request_does_not_affect_its_batch_mates(tokenizer: BatchTokenizer) -> None:
    results = tokenizer.encode(
        [
            Request([b"good"], Options()),
            Request([b"word " * 9, b"good", b"word " * 10], Options()),
            Request([b"\xff"], Options()),
            Request([b""], Options()),
            Request([b"a"], Options(), [b"\xff"]),
            Request([b"abc"], Options(token_ids=True)),
            Request([b"good"], Options()),
        ]
    )
    assert results[0] == results[6] != []
    messages = [str(result) for result in results[1:6]]
    assert messages[0] == "Input length 11 exceeds maximum allowed token size 8 (input[0])"
    assert "UTF-8" in messages[1]
    assert "empty" in messages[2]
    assert "'modality': input should be" in messages[3]
    assert messages[4] == "'input': token ids must be int32"


def test_unsupported_option_is_rejected(tokenizer: BatchTokenizer) -> None:
    valid, rejected = tokenizer.encode(
        [Request([b"good"], Options()), Request([b"good"], Options(dimensions=2))]
    )
    assert valid
    assert str(rejected) == (
        "This model does not support 'dimensions', but a value of '2' was provided."
    )


def test_token_without_weights_is_rejected(tokenizer_file: str) -> None:
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.add_tokens(["<new>"])
    valid, rejected = BatchTokenizer(tokenizer, SPEC).encode(
        [Request([b"good"], Options()), Request([b"a <new> b"], Options())]
    )
    assert valid == [ids_of(tokenizer_file, "good")]
    assert str(rejected) == (
        "'input': the text contains the token '<new>', for which this model has no weights"
    )


@pytest.mark.parametrize("text", [b"word " * 9, b"\xff", b""])
def test_error_references_no_other_object(tokenizer: BatchTokenizer, text: bytes) -> None:
    (rejected,) = tokenizer.encode([Request([text], Options())])
    assert isinstance(rejected, InvalidRequest)
    assert rejected.__traceback__ is None
    assert rejected.__context__ is None


def test_texts_of_several_chunks_keep_their_order(
    tokenizer: BatchTokenizer, tokenizer_file: str
) -> None:
    long = b"a " * (MAX_CHUNK_CHARACTERS // 3)
    cut = Options(truncate=Truncate.END)
    first, second = tokenizer.encode([Request([long, b"one", long], cut), Request([b"two"], cut)])
    whole = [CLS, *[1037] * 6, SEP]
    assert first == [whole, ids_of(tokenizer_file, "one"), whole]
    assert second == [ids_of(tokenizer_file, "two")]


def test_text_over_the_size_limit_is_rejected_even_with_truncation(
    tokenizer: BatchTokenizer,
) -> None:
    (rejected,) = tokenizer.encode(
        [Request([b"a" * (MAX_TEXT_BYTES + 1)], Options(truncate=Truncate.END))]
    )
    assert "1048577 bytes exceeds the maximum of 1048576 bytes" in str(rejected)


def test_each_input_type_uses_its_prompt(prompted: BatchTokenizer, tokenizer_file: str) -> None:
    results = prompted.encode(
        [
            Request([b"x"], Options(InputType.QUERY)),
            Request([b"x"], Options(InputType.PASSAGE)),
        ]
    )
    assert results == [
        [ids_of(tokenizer_file, "query: x")],
        [ids_of(tokenizer_file, "passage: x")],
    ]
    (rejected,) = prompted.encode([Request([b"x"], Options())])
    assert isinstance(rejected, InvalidRequest)


def packed(*ids: int) -> bytes:
    return np.array(ids, "<i4").tobytes()


def test_token_arrays_are_used_unchanged(tokenizer: BatchTokenizer) -> None:
    (result,) = tokenizer.encode(
        [Request([packed(CLS, 7592, SEP), packed(CLS, 5)], Options(token_ids=True))]
    )
    assert result == [[CLS, 7592, SEP], [CLS, 5]]


@pytest.mark.parametrize(
    "request_",
    [
        Request([b"good", b"word " * 9], Options()),
        Request([b"good", b"", b"\xff"], Options()),
        Request([b"good", b"good"], Options(), [b"text", b"sound"]),
        Request([packed(CLS, 5), packed(5), packed()], Options(token_ids=True)),
    ],
)
def test_error_has_the_index_of_the_invalid_input(
    tokenizer: BatchTokenizer, request_: Request
) -> None:
    (result,) = tokenizer.encode([request_])
    assert isinstance(result, InvalidRequest)
    assert result.index == 1


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (packed(), "must not be empty"),
        (packed(1, 30522), "token id 30522 is outside this model's vocabulary of 30522"),
        (packed(-1), "token id -1 is outside"),
        (packed(7592, SEP), "begins with [7592], but this model's texts begin with [101] ([CLS])"),
        (packed(CLS, *range(8)), "Input length 9 exceeds maximum allowed token size 8"),
    ],
)
def test_token_arrays_outside_the_model_s_limits_are_rejected(
    tokenizer: BatchTokenizer, item: bytes, message: str
) -> None:
    (result,) = tokenizer.encode([Request([item], Options(token_ids=True))])
    assert isinstance(result, InvalidRequest)
    assert message in result.message


PICTURE = b"data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    "request_",
    [
        Request([PICTURE], Options()),
        Request([b"a", PICTURE + b" "], Options()),
        Request([b"a"], Options(modality=Modality.IMAGE)),
        Request([b"a", b"b"], Options(), [b"text", b"IMAGE"]),
    ],
)
def test_text_model_rejects_images(tokenizer: BatchTokenizer, request_: Request) -> None:
    (result,) = tokenizer.encode([request_])
    assert isinstance(result, InvalidRequest)
    assert "does not support modality" in result.message


def test_text_model_reads_an_embedded_image_as_text(tokenizer_file: str) -> None:
    text = b"![chart](" + PICTURE + b") of sales"
    loaded = Tokenizer.from_file(tokenizer_file)
    spec = replace(SPEC, max_tokens=100)
    (result,) = BatchTokenizer(loaded, spec).encode([Request([text], Options())])
    assert result == [ids_of(tokenizer_file, text.decode())]
    rejecting = BatchTokenizer(loaded, replace(spec, rejects_embedded_images=True))
    (rejected,) = rejecting.encode([Request([text], Options())])
    assert isinstance(rejected, InvalidRequest)
    assert "does not support modality 'text_image'" in rejected.message


def test_token_arrays_are_rejected_if_the_model_accepts_none(tokenizer_file: str) -> None:
    spec = replace(SPEC, accepts_token_ids=False)
    array = Request([packed(CLS, 5, SEP)], Options(token_ids=True))
    (rejected,) = BatchTokenizer(Tokenizer.from_file(tokenizer_file), spec).encode([array])
    assert isinstance(rejected, InvalidRequest)
    assert "check_embedding_ctx_length=False" in rejected.message


def test_model_without_leading_special_tokens_accepts_any_of_its_ids(tokenizer_file: str) -> None:
    description = json.loads(Path(tokenizer_file).read_text())
    bare = Tokenizer.from_str(json.dumps({**description, "post_processor": None}))
    array = Request([packed(5)], Options(token_ids=True))
    (result,) = BatchTokenizer(bare, SPEC).encode([array])
    assert result == [[5]]


@pytest.mark.parametrize(
    "request_",
    [
        Request([b"data:image/png"], Options(modality=Modality.TEXT)),
        Request([b"data:image/png;base64,AA"], Options(modality=Modality.TEXT)),
        Request([b"data:image/png;base64,A"], Options(), [b"Text"]),
    ],
)
def test_declared_text_is_treated_as_text(tokenizer_file: str, request_: Request) -> None:
    spec = replace(SPEC, max_tokens=100)
    (result,) = BatchTokenizer(Tokenizer.from_file(tokenizer_file), spec).encode([request_])
    assert result == [ids_of(tokenizer_file, request_.inputs[0].decode())]


def test_text_that_yields_no_tokens_is_rejected(tokenizer_file: str) -> None:
    description = json.loads(Path(tokenizer_file).read_text())
    bare = Tokenizer.from_str(json.dumps({**description, "post_processor": None}))
    rejected, encoded = BatchTokenizer(bare, SPEC).encode(
        [Request([b" "], Options()), Request([b"a"], Options())]
    )
    assert isinstance(rejected, InvalidRequest)
    assert encoded == [[1037]]


def test_prompt_and_token_arrays_are_truncated(
    prompted: BatchTokenizer, tokenizer_file: str
) -> None:
    text = "a b c d e f g h i j"
    options = Options(InputType.QUERY, Truncate.START)
    ids = packed(*ids_of(tokenizer_file, f"query: {text}"))
    of_text, of_ids = prompted.encode(
        [Request([text.encode()], options), Request([ids], replace(options, token_ids=True))]
    )
    assert of_text == of_ids == [ids_of(tokenizer_file, "query: g h i j")]


@pytest.mark.parametrize("truncate", Truncate)
def test_tokens_without_vectors_are_all_those_of_the_text(
    prompted: BatchTokenizer, tokenizer_file: str, truncate: Truncate
) -> None:
    text = "several words " * 2000
    options = Options(InputType.QUERY, truncate, tokenize_only=True)
    (result,) = prompted.encode([Request([text.encode()], options)])
    if truncate is Truncate.NONE:
        assert result == [ids_of(tokenizer_file, f"query: {text}")]
    else:
        embedding = replace(options, tokenize_only=False)
        assert [result] == prompted.encode([Request([text.encode()], embedding)])


def test_tokens_without_vectors_are_not_complemented(tokenizer_file: str) -> None:
    tokenizer = BatchTokenizer(
        Tokenizer.from_file(tokenizer_file), replace(PROMPTED, pools_prompt=False)
    )
    options = Options(InputType.QUERY, tokenize_only=True)
    marked, plain = tokenizer.encode(
        [Request([b"x"], replace(options, tokenize_only=False)), Request([b"x"], options)]
    )
    assert plain == [ids_of(tokenizer_file, "query: x")] != marked
