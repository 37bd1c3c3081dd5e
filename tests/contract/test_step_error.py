"""Errors of our steps, as Triton transports them."""

from __future__ import annotations

import pytest

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.messages import input_too_long
from triton_embed.contract.step_error import read_step_error, write_step_error


@pytest.mark.parametrize("prefix", ["", "in ensemble 'm', "])
@pytest.mark.parametrize("index", [None, 7])
def test_error_of_a_step_keeps_message_code_and_index(prefix: str, index: int | None) -> None:
    sent = input_too_long(9, 8)
    sent.index = index
    received = read_step_error(prefix + write_step_error(sent))
    assert received and received.body() == sent.body()
    assert received.index == index


def test_error_of_a_step_may_quote_the_client() -> None:
    sent = InvalidRequest("'truncate': not 'a [code]\n (input[1])'", param="input")
    received = read_step_error(write_step_error(sent))
    assert received and received.message == sent.message


@pytest.mark.parametrize(
    "message", ["unexpected shape for input 'text' [1,2]", "batch-size must be <= 4 for 'm'", ""]
)
def test_error_of_triton_is_not_one_of_a_step(message: str) -> None:
    assert read_step_error(message) is None
