"""What the README promises: the default model, over HTTP and gRPC, equals sentence-transformers."""

from __future__ import annotations

import base64

import numpy as np
import openai
import pytest
from sentence_transformers import SentenceTransformer

from testing.minilm import MINILM, MINILM_TRITON_NAME
from testing.server import RunningServer, infer

TEXTS = ["Hello world", "Où est la bibliothèque ?", "東京の人口は？", "🙂"]


def test_openai_and_tritonclient_get_the_vectors_of_sentence_transformers(
    service: RunningServer, reference: SentenceTransformer
) -> None:
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="unused")
    answer = client.embeddings.create(model=MINILM, input=TEXTS)
    over_http = np.array([item.embedding for item in answer.data])
    over_grpc, tokens = infer(service.triton(), MINILM_TRITON_NAME, TEXTS)
    expected = reference.encode(TEXTS)
    assert np.abs(over_http - expected).max() < 1e-4
    assert np.abs(over_grpc - expected).max() < 1e-4
    assert np.abs(over_http - over_grpc).max() < 1e-6
    counted = [len(ids) for ids in reference.tokenizer(TEXTS)["input_ids"]]
    assert tokens.ravel().tolist() == counted
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(counted)
    assert answer.model == MINILM


@pytest.mark.parametrize("text", TEXTS)
def test_a_plain_string_is_one_input(service: RunningServer, text: str) -> None:
    answer = service.post(model=MINILM, input=text).json()
    assert answer["object"] == "list"
    assert [(item["object"], item["index"]) for item in answer["data"]] == [("embedding", 0)]
    assert len(answer["data"][0]["embedding"]) == 384


def test_base64_holds_the_same_floats(service: RunningServer) -> None:
    floats = service.vectors(MINILM, TEXTS)
    answer = service.post(model=MINILM, input=TEXTS, encoding_format="base64").json()
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in answer["data"]]
    assert np.abs(np.array(decoded) - floats).max() < 1e-6


def test_optional_fields_may_be_null_and_user_is_ignored(service: RunningServer) -> None:
    plain = service.vectors(MINILM, ["a"])
    options = dict.fromkeys(
        ("encoding_format", "input_type", "truncate", "dimensions", "modality", "embedding_type")
    )
    answered = service.vectors(MINILM, ["a"], user="me", **options)
    assert np.abs(answered - plain).max() < 1e-6


@pytest.mark.parametrize("suffix", ["", "-query", "-passage"])
def test_a_symmetric_model_takes_any_suffix(service: RunningServer, suffix: str) -> None:
    answer = service.post(model=MINILM + suffix, input="a")
    assert answer.json()["model"] == MINILM


def test_a_suffix_that_contradicts_the_input_type_is_refused(service: RunningServer) -> None:
    answer = service.post(model=f"{MINILM}-query", input="a", input_type="passage")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input_type"
    assert "'passage'" in answer.text and "'-query'" in answer.text


def test_an_over_long_text_is_an_error_unless_it_may_be_cut(
    service: RunningServer, reference: SentenceTransformer
) -> None:
    text = "word " * 300
    answer = service.post(model=MINILM, input=["short", text])
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "Input length 302 exceeds maximum allowed token size 256 (input[1])"
    )
    cut = service.vectors(MINILM, [text], truncate="END")
    assert np.abs(cut - reference.encode([text])).max() < 1e-4


@pytest.mark.parametrize("path", [MINILM, MINILM.replace("/", "%2F"), f"{MINILM}-query"])
def test_a_model_is_found_by_its_id_plain_or_escaped_or_with_a_suffix(
    service: RunningServer, path: str
) -> None:
    listed = service.get("/v1/models").json()
    assert listed["object"] == "list"
    one = service.get(f"/v1/models/{path}").json()
    assert one in listed["data"]
    assert one["id"] == one["root"] == MINILM


def test_the_docs_answer(service: RunningServer) -> None:
    assert service.get("/docs").status_code == 200
    assert "/v1/embeddings" in service.get("/openapi.json").json()["paths"]
