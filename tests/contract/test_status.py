from __future__ import annotations

import json

import pytest

from triton_embed.contract.status import ModelState, PublishedModel, PublishedState

STATE = PublishedState(
    7,
    (
        PublishedModel("a", ModelState.READY, "2026-01-01T00:00:00Z"),
        PublishedModel("b", ModelState.FAILED, reason="it lacks 'b_encoder'", serves_older=True),
    ),
)


def test_published_state_is_read_as_it_was_written() -> None:
    assert PublishedState.from_json(STATE.to_json()) == STATE


def test_unknown_fields_of_a_published_state_are_ignored() -> None:
    fields = {**json.loads(STATE.to_json()), "new": 1}
    fields["models"][0]["new"] = 1
    assert PublishedState.from_json(json.dumps(fields)) == STATE


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", '{"generation": "x", "models": []}'),
        '{"generation": 1, "models": [{"model_id": "a", "state": "ASLEEP"}]}',
        '{"generation": 1, "models": [1]}',
    ],
)
def test_other_response_is_not_a_published_state(text: str) -> None:
    with pytest.raises(ValueError):
        PublishedState.from_json(text)
