"""Errors as a client sees them."""

from __future__ import annotations

import pytest

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.inputs import map_inputs
from triton_embed.contract.messages import input_too_long


def reject_empty(item: str) -> str:
    if not item:
        raise InvalidRequest("'input' must not be empty", param="input")
    return item.upper()


def test_body_repeats_the_error_for_both_kinds_of_clients() -> None:
    fields = {
        "message": "Input length 9 exceeds maximum allowed token size 8",
        "type": "invalid_request_error",
        "param": "input",
        "code": "context_length_exceeded",
    }
    assert input_too_long(9, 8).body() == {"object": "error", **fields, "error": fields}


def test_index_is_rendered_at_the_end_of_the_message() -> None:
    error = InvalidRequest("wrong", index=3)
    assert error.message == "wrong"
    assert str(error) == error.body()["message"] == "wrong (input[3])"


@pytest.mark.parametrize(
    ("index", "count", "expected"), [(None, 1, 40), (2, 5, 42), (0, 1, 40), (None, 5, None)]
)
def test_index_in_a_chunk_becomes_one_in_the_list(
    index: int | None, count: int, expected: int | None
) -> None:
    error = InvalidRequest("wrong", param="input", code="bad", index=index).with_index(40, count)
    assert (error.message, error.param, error.code, error.index) == (
        *("wrong", "input", "bad"),
        expected,
    )


def test_map_inputs_returns_results_in_order() -> None:
    assert map_inputs(["a", "b"], reject_empty) == ["A", "B"]


@pytest.mark.parametrize(("items", "index"), [([""], None), (["a", "", ""], 1)])
def test_map_inputs_reports_the_index_if_there_are_several(
    items: list[str], index: int | None
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        map_inputs(items, reject_empty)
    assert caught.value.index == index
