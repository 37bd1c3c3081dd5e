"""Every request of NIM's API reference answers as printed there; and what else can be asked."""

from __future__ import annotations

import json
import socket
import subprocess
from http.client import HTTPResponse
from typing import Any

import numpy as np
import pytest

from testing.minilm import MINILM
from testing.server import RunningServer
from triton_embed import __version__


def curl(service: RunningServer, path: str, body: dict[str, Any] | None = None) -> Any:
    command = ["curl", "-sS", "--fail-with-body", f"{service.url}{path}"]
    command += ["-H", "accept: application/json"]
    if body is not None:
        command += ["-X", "POST", "-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.parametrize(
    ("body", "element"),
    [
        (
            {
                "input": ["What is the population of Pittsburgh?"],
                "model": MINILM,
                "input_type": "query",
                "modality": "text",
            },
            float,
        ),
        (
            {
                "input": ["What is the population of Pittsburgh?"],
                "model": f"{MINILM}-query",
                "modality": "text",
            },
            float,
        ),
        (
            {
                "input": ["Hello world"],
                "model": MINILM,
                "input_type": "query",
                "modality": "text",
            },
            float,
        ),
        ({"input": ["Hello world"], "model": MINILM, "modality": "text"}, float),
        (
            {
                "input": ["Hello world"],
                "model": MINILM,
                "input_type": "query",
                "embedding_type": "int8",
            },
            int,
        ),
    ],
)
def test_the_embedding_examples_answer_as_printed(
    service: RunningServer, body: dict[str, Any], element: type
) -> None:
    answer = curl(service, "/v1/embeddings", body)
    assert list(answer) == ["object", "data", "model", "usage"]
    assert answer["object"] == "list" and answer["model"] == MINILM
    (item,) = answer["data"]
    assert item["index"] == 0 and item["object"] == "embedding"
    assert len(item["embedding"]) == 384
    assert {type(value) for value in item["embedding"]} == {element}
    tokens = 4 if body["input"] == ["Hello world"] else 9
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_the_models_example_answers_as_printed(service: RunningServer) -> None:
    answer = curl(service, "/v1/models")
    assert answer["object"] == "list"
    (model,) = answer["data"]
    assert (model["id"], model["created"], model["object"]) == (MINILM, 0, "model")


def test_the_health_examples_answer_as_printed(service: RunningServer) -> None:
    for name in ("ready", "live"):
        answer = curl(service, f"/v1/health/{name}")
        assert answer == {"object": "health-response", "message": f"Service is {name}."}


def test_the_server_tells_about_itself(service: RunningServer) -> None:
    assert curl(service, "/v1/version")["release"] == __version__
    metadata = curl(service, "/v1/metadata")
    assert metadata["version"] == __version__
    assert metadata["modelInfo"][0]["shortName"].split(":")[0] == MINILM
    assert "Apache License" in curl(service, "/v1/license")["content"]
    (spec,) = curl(service, "/v1/manifest")["models"]
    assert spec["model_id"] == MINILM and spec["max_tokens"] == "256"


COUNTED = {
    'triton_embed_requests_total{endpoint="/v1/embeddings",status="200"}': 1,
    'triton_embed_requests_total{endpoint="/v1/embeddings",status="400"}': 1,
    f'triton_embed_tokens_total{{model="{MINILM}"}}': 7,
    f'triton_embed_inputs_total{{model="{MINILM}"}}': 2,
    f'triton_embed_request_inputs_sum{{model="{MINILM}"}}': 2,
    f'triton_embed_request_inputs_count{{model="{MINILM}"}}': 1,
}


def counted(text: str) -> dict[str, float]:
    """Return the value of each metric in `COUNTED`; 0 if it is not there yet."""
    values = dict(line.rsplit(" ", 1) for line in text.splitlines())
    return {name: float(values.get(name, 0)) for name in COUNTED}


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
def test_metrics_count_requests_tokens_and_phases(service: RunningServer, path: str) -> None:
    before = counted(service.get(path).text)
    service.post(model=MINILM, input=["Hello world", "a"])
    service.post(model=MINILM, input="")
    # A request is counted after its answer.
    refused = 'triton_embed_requests_total{endpoint="/v1/embeddings",status="400"}'
    while (after := counted(service.get(path).text))[refused] == before[refused]:
        pass
    assert {name: after[name] - before[name] for name in COUNTED} == COUNTED
    # The phases in Triton are read once a refresh.
    text = ""
    while f'phase_seconds_count{{model="{MINILM}",phase="infer"}}' not in text:
        text = service.get(path).text
    for line in (
        'triton_embed_request_seconds_bucket{endpoint="/v1/embeddings",le="0.1"}',
        "triton_embed_inputs_in_flight 0.0",
        *(
            f'triton_embed_phase_seconds_sum{{model="{MINILM}",phase="{phase}"}}'
            for phase in ("parse", "queue", "tokenize", "infer", "serialize")
        ),
    ):
        assert line in text, line


def test_int8_keeps_the_direction_of_the_floats(service: RunningServer) -> None:
    floats = service.vectors(MINILM, ["Hello world"])[0]
    bytes_ = service.vectors(MINILM, ["Hello world"], embedding_type="int8")[0]
    cosine = floats @ bytes_ / np.linalg.norm(floats) / np.linalg.norm(bytes_)
    assert cosine > 0.999
    assert np.abs(bytes_).max() > 60


def test_the_openapi_document_describes_request_and_answer(service: RunningServer) -> None:
    document = service.get("/openapi.json").json()
    operation = document["paths"]["/v1/embeddings"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(request["required"]) == {"model", "input"}
    answer = service.post(**request["example"])
    assert answer.status_code == 200
    assert {"200", "400", "401", "404", "413", "500", "503"} <= set(operation["responses"])
    assert "422" not in operation["responses"]
    ready = document["paths"]["/v1/health/ready"]["get"]["responses"]
    schemas = {ready[status]["content"]["application/json"]["schema"]["$ref"] for status in ready}
    assert ready["200"]["content"] == ready["503"]["content"] and len(schemas) > 1


def connected(service: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), 30)


@pytest.mark.parametrize("pieces", [1, 2])
def test_an_offer_to_speak_http_2_is_declined_by_answering(
    service: RunningServer, pieces: int
) -> None:
    body = json.dumps({"model": MINILM, "input": "a"}).encode()
    head = (
        b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with connected(service) as connection:
        for _ in range(2):
            for part in [head + body] if pieces == 1 else [head, body]:
                connection.sendall(part)
            answer = HTTPResponse(connection)
            answer.begin()
            assert answer.status == 200
            assert json.loads(answer.read())["usage"]["prompt_tokens"] == 3


def test_many_offers_at_once_are_declined_and_a_proxy_is_none_of_ours(
    service: RunningServer,
) -> None:
    head = b"%b HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    with connected(service) as connection:
        connection.sendall(head % b"GET /v1/health/live" * 1200)
        received = b""
        while received.count(b"HTTP/1.1 200") < 1200:
            part = connection.recv(1 << 16)
            assert part
            received += part
    with connected(service) as connection:
        connection.sendall(head % b"CONNECT example.org:443")
        assert connection.recv(12) == b"HTTP/1.1 400"
