from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_embed.contract.errors import InvalidRequest
from triton_embed.gateway.api.parts import flatten_parts
from triton_embed.gateway.api.request import parse

URL = "data:image/png;base64,AAAA"
TEXT = {"type": "text", "text": "a cat"}
IMAGE = {"type": "image_url", "image_url": {"url": URL}}


def flattened(**body: Any) -> dict[str, Any]:
    content = flatten_parts(json.dumps({"model": "m", **body}).encode())
    assert content
    request: dict[str, Any] = orjson.loads(content)
    return request


def test_text_precedes_the_image_of_the_same_input() -> None:
    request = flattened(input=[[IMAGE, TEXT], "plain", IMAGE])
    assert request["input"] == [f"a cat {URL}", "plain", URL]
    assert request["modality"] == ["text_image", "", "image"]


def test_stated_modality_takes_precedence() -> None:
    assert flattened(input=[[TEXT, IMAGE]], modality="image")["modality"] == "image"


def test_messages_are_one_input_of_the_side_that_a_role_states() -> None:
    messages = [{"role": "document", "content": [TEXT]}, {"role": "user", "content": "and more"}]
    request = flattened(messages=messages, stream=False)
    assert request == {
        "model": "m",
        "input_type": "passage",
        "input": ["a cat\nand more"],
        "modality": "text",
    }


def test_role_of_another_type_states_no_side() -> None:
    assert "input_type" not in flattened(messages=[{"role": ["query"], "content": "a cat"}])


def test_plain_inputs_are_not_changed() -> None:
    assert flatten_parts(b'{"model": "m", "input": ["a", "b"]}') is None


@pytest.mark.parametrize("part", [{}, {"type": "text"}, {"type": "image_url", "image_url": 1}, 7])
def test_malformed_part_is_rejected_with_the_place_of_its_input(part: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"a part must be .*\(input\[1\]\)"):
        flattened(input=["plain", [TEXT, part]])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "image_url", "url", "content", "role"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["input", "messages"]))
def test_any_json_is_a_request_or_an_invalid_one(value: Any, field: str) -> None:
    try:
        parse(json.dumps({"model": "m", field: value}).encode())
    except InvalidRequest:
        return
