from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.batch_tokenizer import (
    MAX_BYTES,
    MAX_CHARACTERS,
    BatchTokenizer,
    Request,
    pad,
)
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import InputType, Modality, Options, Truncate
from triton_embed.contract.spec import ModelSpec

CLS, SEP = 101, 102
CARD = ModelSpec(model_id="m", max_tokens=8, vocab_size=30522, dimension=4)
PROMPTED = replace(CARD, prompt_query="query: ", prompt_passage="passage: ")


@pytest.fixture(scope="module")
def tokenizer_file(minilm_folder: Path) -> str:
    return str(minilm_folder / "tokenizer.json")


@pytest.fixture
def encoder(tokenizer_file: str) -> BatchTokenizer:
    return BatchTokenizer(Tokenizer.from_file(tokenizer_file), CARD)


@pytest.fixture
def prompted(tokenizer_file: str) -> BatchTokenizer:
    return BatchTokenizer(Tokenizer.from_file(tokenizer_file), PROMPTED)


def ids_of(tokenizer_file: str, text: str) -> list[int]:
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return list(tokenizer.encode(text).ids)


def test_requests_are_encoded_together_and_answered_apart(
    encoder: BatchTokenizer, tokenizer_file: str
) -> None:
    first, second = encoder.encode(
        [Request([b"one", b"two three"], Options()), Request([b"four"], Options())]
    )
    assert first == [ids_of(tokenizer_file, "one"), ids_of(tokenizer_file, "two three")]
    assert second == [ids_of(tokenizer_file, "four")]


def test_a_bad_request_does_not_disturb_its_neighbours(encoder: BatchTokenizer) -> None:
    results = encoder.encode(
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


def test_nothing_is_tokenized_for_an_option_that_cannot_be_had(encoder: BatchTokenizer) -> None:
    fine, refused = encoder.encode(
        [Request([b"good"], Options()), Request([b"good"], Options(dimensions=2))]
    )
    assert fine
    assert str(refused) == (
        "This model does not support 'dimensions', but a value of '2' was provided."
    )


def test_a_token_that_the_tokenizer_alone_knows_is_refused(tokenizer_file: str) -> None:
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.add_tokens(["<new>"])
    fine, refused = BatchTokenizer(tokenizer, CARD).encode(
        [Request([b"good"], Options()), Request([b"a <new> b"], Options())]
    )
    assert fine == [ids_of(tokenizer_file, "good")]
    assert str(refused) == (
        "'input': the text holds the token '<new>', for which this model has no weights"
    )


@pytest.mark.parametrize("text", [b"word " * 9, b"\xff", b""])
def test_a_refusal_holds_on_to_nothing(encoder: BatchTokenizer, text: bytes) -> None:
    (refused,) = encoder.encode([Request([text], Options())])
    assert isinstance(refused, InvalidRequest)
    assert refused.__traceback__ is None
    assert refused.__context__ is None


def test_texts_that_are_tokenized_apart_are_answered_in_order(
    encoder: BatchTokenizer, tokenizer_file: str
) -> None:
    long = b"a " * (MAX_CHARACTERS // 3)
    cut = Options(truncate=Truncate.END)
    first, second = encoder.encode([Request([long, b"one", long], cut), Request([b"two"], cut)])
    whole = [CLS, *[1037] * 6, SEP]
    assert first == [whole, ids_of(tokenizer_file, "one"), whole]
    assert second == [ids_of(tokenizer_file, "two")]


def test_a_text_of_more_than_a_mebibyte_is_refused_whatever_is_to_be_cut(
    encoder: BatchTokenizer,
) -> None:
    (refused,) = encoder.encode([Request([b"a" * (MAX_BYTES + 1)], Options(truncate=Truncate.END))])
    assert "1048577 bytes exceeds the maximum of 1048576 bytes" in str(refused)


def test_the_end_is_cut_as_the_tokenizer_itself_would(
    encoder: BatchTokenizer, tokenizer_file: str
) -> None:
    text = "a b c d e f g h i j"
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_padding()
    tokenizer.enable_truncation(CARD.max_tokens)
    (result,) = encoder.encode([Request([text.encode()], Options(truncate=Truncate.END))])
    assert result == [tokenizer.encode(text).ids]


def test_the_start_is_cut_but_prompt_and_special_tokens_stay(
    prompted: BatchTokenizer, tokenizer_file: str
) -> None:
    options = Options(InputType.QUERY, Truncate.START)
    (result,) = prompted.encode([Request([b"a b c d e f g h i j"], options)])
    assert result == [ids_of(tokenizer_file, "query: g h i j")]


def test_each_input_type_has_its_prompt(prompted: BatchTokenizer, tokenizer_file: str) -> None:
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
    (refused,) = prompted.encode([Request([b"x"], Options())])
    assert isinstance(refused, InvalidRequest)


def packed(*ids: int) -> bytes:
    return np.array(ids, "<i4").tobytes()


def test_token_arrays_are_used_as_they_are(encoder: BatchTokenizer) -> None:
    (result,) = encoder.encode(
        [Request([packed(CLS, 7592, SEP), packed(5)], Options(token_ids=True))]
    )
    assert result == [[CLS, 7592, SEP], [5]]


@pytest.mark.parametrize(
    "request_",
    [
        Request([b"good", b"word " * 9], Options()),
        Request([b"good", b"", b"\xff"], Options()),
        Request([b"good", b"good"], Options(), [b"text", b"sound"]),
        Request([packed(5), packed(-1), packed()], Options(token_ids=True)),
    ],
)
def test_which_of_several_inputs_is_wrong_is_told(
    encoder: BatchTokenizer, request_: Request
) -> None:
    (result,) = encoder.encode([request_])
    assert isinstance(result, InvalidRequest)
    assert result.index == 1


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (packed(), "must not be empty"),
        (packed(1, 30522), "token id 30522 is outside this model's vocabulary of 30522"),
        (packed(-1), "token id -1 is outside"),
        (packed(*range(9)), "Input length 9 exceeds maximum allowed token size 8"),
    ],
)
def test_token_arrays_that_do_not_fit_the_model_are_refused(
    encoder: BatchTokenizer, item: bytes, message: str
) -> None:
    (result,) = encoder.encode([Request([item], Options(token_ids=True))])
    assert isinstance(result, InvalidRequest)
    assert message in result.message


PICTURE = b"data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    "request_",
    [
        Request([PICTURE], Options()),
        Request([b"a", b"look: " + PICTURE], Options()),
        Request([b"a"], Options(modality=Modality.IMAGE)),
        Request([b"a", b"b"], Options(), [b"text", b"IMAGE"]),
    ],
)
def test_a_text_model_refuses_images(encoder: BatchTokenizer, request_: Request) -> None:
    (result,) = encoder.encode([request_])
    assert isinstance(result, InvalidRequest)
    assert "does not support modality" in result.message


@pytest.mark.parametrize(
    "request_",
    [
        Request([b"data:image/png"], Options(modality=Modality.TEXT)),
        Request([b"data:image/png;base64,AA"], Options(modality=Modality.TEXT)),
        Request([b"data:image/png;base64,A"], Options(), [b"Text"]),
    ],
)
def test_what_is_said_to_be_text_is_text(tokenizer_file: str, request_: Request) -> None:
    spec = replace(CARD, max_tokens=100)
    (result,) = BatchTokenizer(Tokenizer.from_file(tokenizer_file), spec).encode([request_])
    assert result == [ids_of(tokenizer_file, request_.inputs[0].decode())]


def test_rows_are_padded_to_the_longest() -> None:
    token_ids, lengths = pad([[1, 2, 3], [4]])
    assert token_ids.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert lengths.tolist() == [[3], [1]]
    assert token_ids.dtype == lengths.dtype == np.int32


def test_a_text_of_which_the_tokenizer_makes_nothing_is_refused(tokenizer_file: str) -> None:
    description = json.loads(Path(tokenizer_file).read_text())
    bare = Tokenizer.from_str(json.dumps({**description, "post_processor": None}))
    refused, encoded = BatchTokenizer(bare, CARD).encode(
        [Request([b" "], Options()), Request([b"a"], Options())]
    )
    assert isinstance(refused, InvalidRequest)
    assert encoded == [[1037]]


def test_a_prompt_longer_than_the_limit_leaves_no_more_tokens_than_that(
    tokenizer_file: str,
) -> None:
    spec = replace(CARD, prompt_query="a " * 20, requires_input_type=False)
    encoder = BatchTokenizer(Tokenizer.from_file(tokenizer_file), spec)
    (result,) = encoder.encode([Request([b"b"], Options(InputType.QUERY, Truncate.START))])
    assert result == [[CLS, *[1037] * 6, SEP]]


@pytest.mark.parametrize(
    ("truncate", "kept"), [(Truncate.START, range(2, 10)), (Truncate.END, range(8))]
)
def test_token_arrays_are_cut_at_the_end_that_is_asked_for(
    encoder: BatchTokenizer, truncate: Truncate, kept: range
) -> None:
    options = Options(truncate=truncate, token_ids=True)
    (result,) = encoder.encode([Request([packed(*range(10))], options)])
    assert result == [list(kept)]


@pytest.mark.parametrize("truncate", [Truncate.START, Truncate.END])
@pytest.mark.parametrize("input_type", InputType)
def test_token_arrays_are_cut_as_their_text_is(
    prompted: BatchTokenizer, tokenizer_file: str, truncate: Truncate, input_type: InputType
) -> None:
    text = "a b c d e f g h i j"
    ids = ids_of(tokenizer_file, f"{input_type.value}: {text}")
    options = Options(input_type, truncate)
    as_ids = replace(options, token_ids=True)
    of_text, of_ids, of_bare_ids = prompted.encode(
        [
            Request([text.encode()], options),
            Request([packed(*ids)], as_ids),
            Request([packed(*ids[1:-1])], as_ids),
        ]
    )
    assert of_ids == of_text
    assert isinstance(of_bare_ids, list)
    bare = ids[1:-1]
    assert of_bare_ids == [[*bare[:2], *bare[-6:]] if truncate is Truncate.START else bare[:8]]
