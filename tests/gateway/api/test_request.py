"""Any body becomes a request, or an error that names a field."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.images import data_url, encoded, picture
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.contract.modality import infer_modality
from triton_embed.contract.options import InputType, Modality, Options
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.api import request as schema
from triton_embed.gateway.api.request import EncodingFormat, parse
from triton_embed.gateway.api.surrogates import MAX_SURROGATES
from triton_embed.gateway.scheduling.cost import TokenEstimator
from triton_embed.gateway.triton.job import Input

SPEC = ModelSpec(model_id="m", max_tokens=8, vocab_size=9, dimension=4, matryoshka_dimensions=())

PICTURE = "data:image/png;base64,AAAA"

FIELDS = (
    *("model", "input", "input_type", "truncate", "modality", "dimensions", "embedding_type"),
    *("encoding_format", "user"),
)

FRAGMENTS = st.sampled_from(
    [
        *("data:image/", "png", "jpeg", ";base64,", "AAAA", "=", "<img ", "src=", '"', "'", ">"),
        *(" ", "\n", "text", "\0", "🙂", "%", "/"),
    ]
)

URLS = st.lists(FRAGMENTS, max_size=12).map("".join)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | URLS
    | st.sampled_from(["query", "passage", "END", "text", "image", "float", "base64", "int8"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)

BODIES = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), VALUES, max_size=10)


NO_INPUT = "'input' must be a string, a list of strings, or a list of token ids (integers)"

NO_MODALITY = "'modality': input should be 'text', 'image' or 'text_image'"

NO_IMAGE = (
    "This model does not support modality 'image'; it supports 'text'. "
    "To embed text that contains a data URL, set 'modality' to 'text'."
)


def handle(body: bytes) -> None:
    """Process a body up to the call of Triton."""
    try:
        request = parse(body)
        request.encoding()
        options = request.options(None)
        SPEC.validated_options(options)
        inputs = request.inputs(SPEC, TokenEstimator(), Options())
    except InvalidRequest as error:
        assert error.message
    else:
        assert inputs and all(item.data and item.tokens >= 1 for item in inputs)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(BODIES, st.text() | URLS | st.lists(st.text() | URLS) | st.lists(st.integers()))
def test_any_json_object_is_accepted_or_rejected(body: dict[str, Any], given_input: Any) -> None:
    handle(json.dumps(body).encode())
    handle(json.dumps({**body, "model": "m"}).encode())
    handle(json.dumps({**body, "model": "m", "input": given_input}).encode())


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_accepted_or_rejected(body: bytes) -> None:
    handle(body)
    handle(b'{"model": "m", "input": ' + body)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(URLS)
def test_any_data_url_has_a_modality(text: str) -> None:
    assert infer_modality(text, SPEC) in Modality


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unknown": 1}, "'unknown': Extra inputs are not permitted"),
        ({str(number): 1 for number in range(2000)}, "The request body has 2000 errors"),
        ({"k" * 10**6: 1}, f"'{'k' * 100}': Extra inputs are not permitted"),
        ({"it's \n": 1}, "'it's \n': Extra inputs are not permitted"),
        ({"dimensions": "4"}, "'dimensions': Input should be a valid integer"),
        (
            {"modality": ["text"] * 3},
            "'modality' has 3 values for 2 inputs; give one value, or one per input",
        ),
        ({"modality": ["text", "sound"]}, f"{NO_MODALITY}, not 'sound' (input[1])"),
        ({"modality": "sound"}, f"{NO_MODALITY}, not 'sound'"),
        ({"modality": ["text", "image"]}, f"{NO_IMAGE} (input[1])"),
        ({"modality": "image"}, NO_IMAGE),
        ({"input": ["a", PICTURE]}, f"{NO_IMAGE} (input[1])"),
        ({"input": PICTURE}, NO_IMAGE),
        ({"input": ["a", f" {PICTURE} "]}, f"{NO_IMAGE} (input[1])"),
        ({"input": ["a", "b", None]}, f"{NO_INPUT} (input[2])"),
        ({"input": [[1], [2, "3"]]}, f"{NO_INPUT} (input[1])"),
        ({"input": 7, "modality": ["text", 1]}, NO_INPUT),
        ({"input": [None, "a"]}, NO_INPUT),
        ({"input": [1.5] * 2000}, NO_INPUT),
    ],
)
def test_error_names_the_field_and_the_position(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        body = {"model": "m", "input": ["a", "b"], **fields}
        parse(json.dumps(body).encode()).inputs(SPEC, TokenEstimator(), Options())
    assert str(caught.value) == message


def test_text_with_an_embedded_image_is_a_text() -> None:
    text = f"![chart]({PICTURE}) of sales"
    request = parse(json.dumps({"model": "m", "input": ["a", text]}).encode())
    inputs = request.inputs(SPEC, TokenEstimator(), Options())
    assert [(item.kind, item.data) for item in inputs] == [
        (Modality.TEXT, b"a"),
        (Modality.TEXT, text.encode()),
    ]
    with pytest.raises(InvalidRequest, match="does not support modality 'text_image'"):
        request.inputs(replace(SPEC, rejects_embedded_images=True), TokenEstimator(), Options())


def test_image_is_sent_as_its_file_with_its_cost() -> None:
    file = encoded(picture())
    spec = replace(
        SPEC,
        modalities=(Modality.TEXT, Modality.IMAGE),
        image=ImageSpec(64, Resize.STRETCH, tokens_per_tile=50),
    )
    request = parse(json.dumps({"model": "m", "input": [data_url(file)]}).encode())
    assert request.inputs(spec, TokenEstimator(), Options()) == [Input(Modality.IMAGE, file, 51)]


def test_lone_surrogate_becomes_the_replacement_character() -> None:
    texts = ["fine \U0001f600", "cut \ud83d", "\ude00 cut", "\\ud83d", "\\\\\ud83d!"]
    request = parse(json.dumps({"model": "m", "input": texts}).encode())
    assert request.input == [
        *("fine \U0001f600", "cut \ufffd", "\ufffd cut", "\\ud83d", "\\\\\ufffd!")
    ]


@pytest.mark.parametrize("body", [b'{"model": "m"}', b'{"input": [1.5, "\\ud83d\\ude00"]}', b"{"])
def test_body_with_another_error_is_not_searched_for_surrogates(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The search takes seconds for a large body, in which the gateway could serve nothing else.
    monkeypatch.setattr(schema, "parse_replaced", None)
    with pytest.raises(InvalidRequest):
        parse(body)


def test_body_in_another_encoding_is_an_error_about_utf_8() -> None:
    with pytest.raises(InvalidRequest, match="not valid UTF-8"):
        parse('{"model": "m", "input": "größer"}'.encode("latin-1"))


def test_byte_order_mark_is_not_part_of_the_body() -> None:
    assert parse(b'\xef\xbb\xbf{"model": "m", "input": "a"}').input == "a"


def test_empty_option_is_absent_and_values_may_be_in_any_case() -> None:
    def chosen(**fields: Any) -> tuple[Options, EncodingFormat]:
        request = parse(json.dumps({"model": "m", "input": ["a"], **fields}).encode())
        return request.options(InputType.QUERY), request.encoding()

    fields = ("input_type", "truncate", "embedding_type", "encoding_format")
    assert chosen(**dict.fromkeys(fields, "")) == chosen(**dict.fromkeys(fields)) == chosen()
    assert chosen(
        input_type="Query", truncate="end", embedding_type="INT8", encoding_format="Base64"
    ) == chosen(input_type="query", truncate="END", embedding_type="int8", encoding_format="base64")


def test_field_that_contradicts_the_suffix_is_rejected_with_both() -> None:
    with pytest.raises(InvalidRequest, match=r"'input_type' is 'Query', .* ends in '-passage'"):
        parse(b'{"model": "m", "input": "a", "input_type": "Query"}').options(InputType.PASSAGE)


@pytest.mark.parametrize(
    ("inputs", "count"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2, 3]], 2)]
)
def test_inputs_are_counted_before_they_are_read(inputs: Any, count: int) -> None:
    assert parse(json.dumps({"model": "m", "input": inputs}).encode()).count == count


def test_garbage_collector_is_enabled_again() -> None:
    with pytest.raises(InvalidRequest):
        parse(b"{")
    parse(b'{"model": "m", "input": "a"}')
    assert gc.isenabled()


@pytest.mark.parametrize(
    "value",
    [
        "[" + "1," * 10**6 + "1]",
        '["' + 'a","' * 10**6 + '"]',
        "[" + "[]," * 10**5 + "[]]",
        '"a", "other": [' + '"\\\\\\"",' * 10**6 + "1]",
        '"a"' + ', "k": 1' * 10**6,
    ],
)
def test_body_with_too_many_values_is_rejected_before_it_is_parsed(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "EmbeddingRequest", None)
    with pytest.raises(InvalidRequest, match="send the inputs in several requests"):
        parse(b'{"model": "m", "input": %s}' % value.encode())


def test_commas_and_brackets_within_texts_are_not_counted_as_values() -> None:
    texts = [", [{" * 10**5, '\\", "' * 10**5, "\\"]
    assert parse(json.dumps({"model": "m", "input": texts}).encode()).input == texts


def test_body_with_too_many_surrogates_is_rejected_before_they_are_replaced() -> None:
    body = json.dumps({"model": "m", "input": ["\ud83d" * (MAX_SURROGATES + 1)]}).encode()
    with pytest.raises(InvalidRequest, match="surrogates, at least one without its pair"):
        parse(body)
    # Pairs need no replacement.
    emoji = "\U0001f600" * MAX_SURROGATES
    assert parse(json.dumps({"model": "m", "input": [emoji]}).encode()).input == [emoji]


@pytest.mark.parametrize("rest", ["[" * 10**5, "1" * 5000, "}", '"x": NaN', '"k": ["\\ud83d"]'])
def test_body_with_a_surrogate_and_another_error_is_rejected(rest: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(b'{"input": "\\ud83d", "model": "m", "other": %s}' % rest.encode())


FUSED = replace(
    SPEC,
    prompt_passage="passage: ",
    modalities=tuple(Modality),
    image=ImageSpec(64, Resize.TILES, tokens_per_tile=4),
    image_tokens=ImageTokens(5, (), (), (), " ", 8),
)


@pytest.mark.parametrize(
    ("body", "input_type"),
    [
        ({"input": PICTURE}, InputType.PASSAGE),
        ({"input": [PICTURE, f"a cat {PICTURE}"]}, InputType.PASSAGE),
        ({"input": [PICTURE], "modality": ["image"], "input_type": ""}, InputType.PASSAGE),
        ({"input": [PICTURE, PICTURE], "modality": ["image", ""]}, InputType.PASSAGE),
        ({"input": [PICTURE, "a cat"], "modality": ["image", ""]}, None),
        ({"input": [PICTURE, "a cat"]}, None),
        ({"input": [PICTURE, "a cat"], "modality": ["image", "text"]}, None),
        ({"input": [PICTURE], "input_type": "query"}, None),
        ({"input": [1, 2]}, None),
    ],
)
def test_request_with_images_only_defaults_to_passage(
    body: dict[str, Any], input_type: InputType | None
) -> None:
    request = parse(json.dumps({"model": "m", **body}).encode())
    assert request.default_input_type(FUSED) is input_type
    assert request.default_input_type(SPEC) is None


def test_cost_of_an_image_includes_the_tokens_between_its_rows() -> None:
    spec = replace(
        FUSED,
        image=ImageSpec(16, Resize.FIT, longest_edge=640, tokens_per_tile=1),
        image_tokens=ImageTokens(5, (), (6,), (7,), " ", 8),
    )
    narrow = data_url(encoded(picture(16, 640)))
    request = parse(json.dumps({"model": "m", "input": [narrow]}).encode())
    (item,) = request.inputs(spec, TokenEstimator(), Options(input_type=InputType.PASSAGE))
    # 40 rows of one token, each with an end, and the decoding of 10 240 pixels.
    assert item.tokens == 40 + 40 + 1


def test_image_of_a_fused_model_is_not_a_query() -> None:
    file = data_url(encoded(picture()))
    request = parse(json.dumps({"model": "m", "input": [f"a cat {file}"]}).encode())
    with pytest.raises(InvalidRequest, match="as passages only"):
        request.inputs(FUSED, TokenEstimator(), Options(InputType.QUERY))
    (item,) = request.inputs(FUSED, TokenEstimator(), Options(InputType.PASSAGE))
    assert item.kind is Modality.TEXT_IMAGE
