"""The README's quick start: the default model over HTTP and gRPC equals sentence-transformers."""

from __future__ import annotations

import base64

import numpy as np
import openai
import pytest
from sentence_transformers import SentenceTransformer

from testing.minilm import MINILM, MINILM_TRITON_NAME
from testing.server import RunningServer, infer

TEXTS = ["Hello world", "Où est la bibliothèque ?", "東京の人口は？", "🙂"]


def test_openai_and_tritonclient_receive_the_reference_vectors(
    service: RunningServer, reference: SentenceTransformer
) -> None:
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="unused")
    response = client.embeddings.create(model=MINILM, input=TEXTS)
    over_http = np.array([item.embedding for item in response.data])
    over_grpc, tokens = infer(service.triton(), MINILM_TRITON_NAME, TEXTS)
    expected = reference.encode(TEXTS)
    assert np.abs(over_http - expected).max() < 1e-4
    assert np.abs(over_grpc - expected).max() < 1e-4
    assert np.abs(over_http - over_grpc).max() < 1e-6
    counted = [len(ids) for ids in reference.tokenizer(TEXTS)["input_ids"]]
    assert tokens.ravel().tolist() == counted
    assert response.usage.prompt_tokens == response.usage.total_tokens == sum(counted)
    assert response.model == MINILM


@pytest.mark.parametrize("text", TEXTS)
def test_string_is_one_input(service: RunningServer, text: str) -> None:
    response = service.post(model=MINILM, input=text).json()
    assert response["object"] == "list"
    assert [(item["object"], item["index"]) for item in response["data"]] == [("embedding", 0)]
    assert len(response["data"][0]["embedding"]) == 384


def test_base64_contains_the_same_floats(service: RunningServer) -> None:
    floats = service.vectors(MINILM, TEXTS)
    response = service.post(model=MINILM, input=TEXTS, encoding_format="base64").json()
    decoded = [
        np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in response["data"]
    ]
    assert np.abs(np.array(decoded) - floats).max() < 1e-6


def test_null_options_and_user_are_ignored(service: RunningServer) -> None:
    plain = service.vectors(MINILM, ["a"])
    options = dict.fromkeys(
        ("encoding_format", "input_type", "truncate", "dimensions", "modality", "embedding_type")
    )
    vectors = service.vectors(MINILM, ["a"], user="me", **options)
    assert np.abs(vectors - plain).max() < 1e-6


@pytest.mark.parametrize("suffix", ["", "-query", "-passage"])
def test_symmetric_model_accepts_any_suffix(service: RunningServer, suffix: str) -> None:
    response = service.post(model=MINILM + suffix, input="a")
    assert response.json()["model"] == MINILM


def test_suffix_that_contradicts_the_input_type_is_rejected(service: RunningServer) -> None:
    response = service.post(model=f"{MINILM}-query", input="a", input_type="passage")
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "input_type"
    assert "'passage'" in response.text and "'-query'" in response.text


LONG = "word " * 300


def test_text_over_the_token_limit_is_rejected(service: RunningServer) -> None:
    response = service.post(model=MINILM, input=["short", LONG])
    assert response.status_code == 400
    assert response.json()["message"] == (
        "Input length 302 exceeds maximum allowed token size 256 (input[1])"
    )


def test_text_over_the_token_limit_may_be_truncated(
    service: RunningServer, reference: SentenceTransformer
) -> None:
    truncated = service.vectors(MINILM, [LONG], truncate="END")
    assert np.abs(truncated - reference.encode([LONG])).max() < 1e-4


@pytest.mark.parametrize(
    "path", [MINILM, MINILM.replace("/", "%2F"), f"{MINILM}-query", f"{MINILM.upper()}-Query"]
)
def test_model_is_found_by_any_form_of_its_id(service: RunningServer, path: str) -> None:
    listed = service.get("/v1/models").json()
    assert listed["object"] == "list"
    one = service.get(f"/v1/models/{path}").json()
    assert one in listed["data"]
    assert one["id"] == one["root"] == MINILM


def test_docs_are_served(service: RunningServer) -> None:
    assert service.get("/docs").status_code == 200
    assert "/v1/embeddings" in service.get("/openapi.json").json()["paths"]
