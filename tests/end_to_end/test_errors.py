"""Error responses: one body for all clients, with the field, the code and the input's index."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from testing.minilm import MINILM
from testing.server import RunningServer

REMEDY = (
    "token arrays must come from this model's tokenizer: send texts instead "
    "(check_embedding_ctx_length=False in langchain-openai)"
)


def error_body(message: str, param: str | None, code: str) -> dict[str, Any]:
    fields = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return {"object": "error", **fields, "error": fields}


@pytest.mark.parametrize(
    ("changes", "message", "param", "code"),
    [
        ({"input": ""}, "'input' must not be empty", "input", "invalid_value"),
        ({"input": []}, "'input' must not be empty", "input", "invalid_value"),
        ({"input": ["a", ""]}, "'input' must not be empty (input[1])", "input", "invalid_value"),
        ({"input": [[1], []]}, "'input' must not be empty (input[1])", "input", "invalid_value"),
        (
            {"input": 7},
            "'input' must be a string, a list of strings, or a list of token ids (integers)",
            "input",
            "invalid_value",
        ),
        (
            {"input": ["a", 7]},
            "'input' must be a string, a list of strings, or a list of token ids (integers) "
            "(input[1])",
            "input",
            "invalid_value",
        ),
        (
            {"input": [[1, 40000]]},
            f"'input': token id 40000 is outside this model's vocabulary of 30522; {REMEDY}",
            "input",
            "foreign_token_ids",
        ),
        (
            {"input": [[101, 5], [9906, 1917]]},
            "'input': the token array begins with [9906], but this model's texts begin with [101] "
            f"([CLS]); {REMEDY} (input[1])",
            "input",
            "foreign_token_ids",
        ),
        ({"model": 7}, "'model': Input should be a valid string", "model", "invalid_value"),
        (
            {"model": "no/model"},
            f"The model 'no/model' does not exist. Available models are: '{MINILM}'.",
            "model",
            "model_not_found",
        ),
        (
            {"input_type": "document"},
            "'input_type': input should be 'query' or 'passage', not 'document'",
            "input_type",
            "invalid_value",
        ),
        (
            {"truncate": "MIDDLE"},
            "'truncate': input should be 'NONE', 'START' or 'END', not 'MIDDLE'",
            "truncate",
            "invalid_value",
        ),
        (
            {"dimensions": 64},
            "This model does not support 'dimensions', but a value of '64' was provided.",
            "dimensions",
            "unsupported_parameter",
        ),
        (
            {"encoding_format": "hex"},
            "'encoding_format': input should be 'float' or 'base64', not 'hex'",
            "encoding_format",
            "invalid_value",
        ),
        ({"inptu": "a"}, "'inptu': Extra inputs are not permitted", "inptu", "invalid_value"),
        (
            {"modality": "image"},
            "This model does not support modality 'image'; it supports 'text'. "
            "To embed text that contains a data URL, set 'modality' to 'text'.",
            "modality",
            "invalid_value",
        ),
    ],
)
def test_invalid_field_is_named(
    service: RunningServer, changes: dict[str, Any], message: str, param: str | None, code: str
) -> None:
    response = service.post(**{"model": MINILM, "input": "a", **changes})
    assert response.json() == error_body(message, param, code)
    assert response.status_code == (404 if code == "model_not_found" else 400)


@pytest.mark.parametrize("index", [0, 1, 1234, 1999])
def test_error_for_a_long_text_in_a_list_has_its_index(service: RunningServer, index: int) -> None:
    inputs = ["a"] * 2000
    inputs[index] = inputs[1999] = "word " * 300
    response = service.post(model=MINILM, input=inputs)
    assert response.status_code == 400
    assert response.json() == error_body(
        f"Input length 302 exceeds maximum allowed token size 256 (input[{index}])",
        "input",
        "context_length_exceeded",
    )


@pytest.mark.parametrize("field", ["model", "input"])
def test_missing_field_is_named(service: RunningServer, field: str) -> None:
    body = {"model": MINILM, "input": "a"}
    del body[field]
    response = service.post(**body)
    assert response.status_code == 400
    assert response.json() == error_body(f"'{field}': Field required", field, "invalid_value")


@pytest.mark.parametrize("body", [b"", b"{", b'{"input": "\xff"}', b"null"])
def test_body_other_than_a_json_object_is_rejected(service: RunningServer, body: bytes) -> None:
    response = httpx.post(f"{service.url}/v1/embeddings", content=body)
    assert response.status_code == 400
    assert response.json()["message"].startswith("The request body ")


def test_unknown_path_is_not_found(service: RunningServer) -> None:
    response = httpx.post(f"{service.url}/v1/chat/completions", json={})
    assert response.status_code == 404
    assert response.json() == error_body(
        "The path /v1/chat/completions does not exist", None, "not_found"
    )


def test_wrong_method_is_rejected_with_the_allowed_one(service: RunningServer) -> None:
    response = service.get("/v1/embeddings")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_openai_client_shows_the_message(service: RunningServer) -> None:
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="unused")
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=MINILM, input=["word " * 300])
    assert "Input length 302 exceeds maximum allowed token size 256" in str(caught.value)


def test_openai_client_raises_not_found_for_an_unknown_model(service: RunningServer) -> None:
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="unused")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="no/model", input="a")
