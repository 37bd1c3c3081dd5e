"""Triton's errors as errors of the API."""

from __future__ import annotations

import pytest

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.messages import input_too_long
from triton_embed.gateway.triton.errors import step_error


@pytest.mark.parametrize("prefix", ["", "in ensemble 'm', "])
@pytest.mark.parametrize("index", [None, 7])
def test_error_of_a_step_keeps_message_code_and_index(prefix: str, index: int | None) -> None:
    sent = input_too_long(9, 8)
    sent.index = index
    received = step_error(f"{prefix}{sent} [{sent.code}]")
    assert received and received.body() == sent.body()
    assert received.index == index


def test_error_of_a_step_may_quote_the_client() -> None:
    sent = InvalidRequest("'truncate': not 'a [code]\n (input[1])'", param="input")
    received = step_error(f"{sent} [{sent.code}]")
    assert received and received.message == sent.message


@pytest.mark.parametrize(
    "message", ["unexpected shape for input 'text' [1,2]", "batch-size must be <= 4 for 'm'", ""]
)
def test_error_of_triton_is_not_one_of_a_step(message: str) -> None:
    assert step_error(message) is None
