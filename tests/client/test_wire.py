from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from triton_embed.client.errors import InvalidResponse
from triton_embed.client.options import EmbedOptions
from triton_embed.client.wire import read_rejection, read_vectors, request_body

OPTIONS = EmbedOptions("m")


def response(*embeddings: Any, order: list[int] | None = None) -> bytes:
    indices = order or range(len(embeddings))
    data = [
        {"index": index, "embedding": each} for index, each in zip(indices, embeddings, strict=True)
    ]
    return json.dumps({"data": data, "usage": {"total_tokens": 7}}).encode()


def encoded(*values: float) -> str:
    return b64encode(np.array(values, "<f4").tobytes()).decode()


def test_body_has_only_the_options_that_are_set() -> None:
    options = EmbedOptions("m", input_type="query", dimensions=4)
    assert json.loads(request_body(options, ["a", "\ud800"])) == {
        **{"model": "m", "input_type": "query", "dimensions": 4},
        **{"encoding_format": "base64", "input": ["a", "\ud800"]},
    }


def test_unknown_embedding_type_is_an_error() -> None:
    with pytest.raises(ValueError, match="one of float, int8"):
        EmbedOptions("m", embedding_type="int4")


def test_vectors_are_returned_in_the_order_of_their_indices() -> None:
    found = read_vectors(response(encoded(1, 2), encoded(3, 4), order=[1, 0]), 2, OPTIONS)
    assert found.rows.tolist() == [[3, 4], [1, 2]]
    assert found.rows.dtype == np.float32 and found.tokens == 7


def test_vectors_as_numbers_are_accepted() -> None:
    assert read_vectors(response([1, 2]), 1, OPTIONS).rows.tolist() == [[1, 2]]
    options = EmbedOptions("m", embedding_type="int8")
    assert read_vectors(response([1, -128]), 1, options).rows.tolist() == [[1, -128]]


@pytest.mark.parametrize(("kind", "value"), [("int8", 0.5), ("int8", 128), ("ubinary", -1)])
def test_numbers_of_another_type_are_an_error(kind: str, value: float) -> None:
    with pytest.raises(InvalidResponse, match="ignores 'embedding_type'"):
        read_vectors(response([1, value]), 1, EmbedOptions("m", embedding_type=kind))


def test_packed_vectors_have_eight_dimensions_in_each_element() -> None:
    content = response(b64encode(bytes([1, 2])).decode())
    options = EmbedOptions("m", embedding_type="ubinary", dimensions=16)
    assert read_vectors(content, 1, options).rows.tolist() == [[1, 2]]


@pytest.mark.parametrize(("kind", "dtype"), [("int8", np.int8), ("ubinary", np.uint8)])
def test_vectors_have_the_elements_of_the_embedding_type(kind: str, dtype: Any) -> None:
    content = response(b64encode(np.array([1, 2], dtype).tobytes()).decode())
    rows = read_vectors(content, 1, EmbedOptions("m", embedding_type=kind)).rows
    assert rows.dtype == dtype and rows.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"<html>", "<html>"),
        (b"[]", "not a response"),
        (response(encoded(1)), "1 vectors for 2"),
        (response(encoded(1), encoded(1, 2)), "not a response"),
        (response(encoded(1), encoded(1), order=[0, 5]), "not one for each input"),
        (response(encoded(1), encoded(1), order=[1, 1]), "not one for each input"),
        (response(encoded(1), encoded(1), order=[0, -1]), "not one for each input"),
        (response(encoded(1, 2), encoded(1)), "not a response"),
    ],
    ids=["HTML", "list", "too few", "ragged", "index", "twice", "negative", "short"],
)
def test_malformed_responses_are_errors(content: bytes, named: str) -> None:
    with pytest.raises(InvalidResponse, match=named):
        read_vectors(content, 2, OPTIONS)


@pytest.mark.parametrize(
    ("body", "message", "index"),
    [
        ({"error": {"message": "too long (input[3])", "param": "input"}}, "too long", 3),
        ({"error": "text"}, "text", None),
        ({"message": "text"}, "text", None),
        ({"detail": "text"}, '{"detail": "text"}', None),
        ({}, "{}", None),
    ],
)
def test_rejections_of_all_servers_are_read(
    body: dict[str, Any], message: str, index: int | None
) -> None:
    error = read_rejection(400, json.dumps(body).encode())
    assert (error.message, error.index, error.status) == (message, index, 400)
    assert str(error.at(5)) == f"input 5: {message}"


def test_rejection_without_a_body_names_the_status() -> None:
    assert read_rejection(404, b"").message == "HTTP status 404"
