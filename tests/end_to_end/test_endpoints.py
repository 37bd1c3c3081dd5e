"""Every endpoint, with the requests and responses of NIM's API reference."""

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
from testing.waiting import eventually
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
def test_embedding_example_of_the_reference_gets_the_printed_response(
    service: RunningServer, body: dict[str, Any], element: type
) -> None:
    response = curl(service, "/v1/embeddings", body)
    assert list(response) == ["object", "data", "model", "usage"]
    assert response["object"] == "list" and response["model"] == MINILM
    (item,) = response["data"]
    assert item["index"] == 0 and item["object"] == "embedding"
    assert len(item["embedding"]) == 384
    assert {type(value) for value in item["embedding"]} == {element}
    tokens = 4 if body["input"] == ["Hello world"] else 9
    assert response["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_models_example_of_the_reference_gets_the_printed_response(service: RunningServer) -> None:
    response = curl(service, "/v1/models")
    assert response["object"] == "list"
    (model,) = response["data"]
    assert (model["id"], model["created"], model["object"]) == (MINILM, 0, "model")
    assert (model["dimension"], model["max_tokens"], model["input_types"]) == (384, 256, [])


@pytest.mark.parametrize("name", ["ready", "live"])
def test_health_example_of_the_reference_gets_the_printed_response(
    service: RunningServer, name: str
) -> None:
    response = curl(service, f"/v1/health/{name}")
    assert response == {"object": "health-response", "message": f"Service is {name}."}


def test_version_is_that_of_the_package(service: RunningServer) -> None:
    assert curl(service, "/v1/version")["release"] == __version__


def test_metadata_names_version_and_models(service: RunningServer) -> None:
    metadata = curl(service, "/v1/metadata")
    assert metadata["version"] == __version__
    assert metadata["modelInfo"][0]["shortName"].split(":")[0] == MINILM


def test_license_is_apache(service: RunningServer) -> None:
    assert "Apache License" in curl(service, "/v1/license")["content"]


def test_manifest_lists_the_model_spec(service: RunningServer) -> None:
    (spec,) = curl(service, "/v1/manifest")["models"]
    assert spec["model_id"] == MINILM and spec["max_tokens"] == "256"


REJECTED = 'triton_embed_http_requests_total{method="POST",route="/v1/embeddings",status="400"}'

COUNTED = {
    'triton_embed_http_requests_total{method="POST",route="/v1/embeddings",status="200"}': 1,
    REJECTED: 1,
    f'triton_embed_tokens_total{{model="{MINILM}"}}': 7,
    f'triton_embed_inputs_total{{model="{MINILM}"}}': 2,
    f'triton_embed_inputs_per_request_sum{{model="{MINILM}"}}': 2,
    f'triton_embed_inputs_per_request_count{{model="{MINILM}"}}': 1,
}


def counted(service: RunningServer, path: str) -> dict[str, float]:
    """Return the value of each metric in `COUNTED`; 0 if it is absent."""
    values = dict(line.rsplit(" ", 1) for line in service.get(path).text.splitlines())
    return {name: float(values.get(name, 0)) for name in COUNTED}


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
def test_metrics_count_requests_inputs_and_tokens(service: RunningServer, path: str) -> None:
    before = counted(service, path)
    service.post(model=MINILM, input=["Hello world", "a"])
    service.post(model=MINILM, input="")

    def added() -> dict[str, float] | None:
        # A request is counted after its response.
        after = counted(service, path)
        if after[REJECTED] == before[REJECTED]:
            return None
        return {name: after[name] - before[name] for name in COUNTED}

    assert eventually(added, message="the rejected request is counted") == COUNTED


@pytest.mark.parametrize(
    "line",
    [
        "triton_embed_http_request_duration_seconds_bucket"
        '{le="0.1",method="POST",route="/v1/embeddings",status="200"}',
        "triton_embed_inputs_in_flight 0.0",
        *(
            f'triton_embed_phase_duration_seconds_sum{{model="{MINILM}",phase="{phase}"}}'
            for phase in ("parse", "queue", "inference", "serialize")
        ),
    ],
)
def test_metrics_contain_durations_and_phases(service: RunningServer, line: str) -> None:
    service.post(model=MINILM, input="a")
    assert line in service.get("/metrics").text


@pytest.mark.parametrize("phase", ["queue", "tokenize", "encode", "postprocess"])
def test_metrics_contain_the_phases_of_each_triton(service: RunningServer, phase: str) -> None:
    labels = f'address="127.0.0.1:{service.grpc_port}",model="{MINILM}",phase="{phase}"'
    line = f"triton_embed_triton_phase_duration_seconds_sum{{{labels}}}"
    # Statistics are read at every refresh.
    eventually(lambda: line in service.get("/metrics").text, message=line)


def test_int8_vectors_have_the_direction_of_floats(service: RunningServer) -> None:
    floats = service.vectors(MINILM, ["Hello world"])[0]
    bytes_ = service.vectors(MINILM, ["Hello world"], embedding_type="int8")[0]
    cosine = floats @ bytes_ / np.linalg.norm(floats) / np.linalg.norm(bytes_)
    assert cosine > 0.999
    assert np.abs(bytes_).max() > 60


def test_openapi_document_describes_request_and_responses(service: RunningServer) -> None:
    document = service.get("/openapi.json").json()
    operation = document["paths"]["/v1/embeddings"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(request["required"]) == {"model", "input"}
    response = service.post(**request["example"])
    assert response.status_code == 200
    assert {"200", "400", "401", "404", "413", "500", "503"} <= set(operation["responses"])
    assert "422" not in operation["responses"]
    ready = document["paths"]["/v1/health/ready"]["get"]["responses"]
    schemas = {ready[status]["content"]["application/json"]["schema"]["$ref"] for status in ready}
    assert ready["200"]["content"] == ready["503"]["content"] and len(schemas) > 1


def connect(service: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), 30)


@pytest.mark.parametrize("packets", [1, 2])
def test_offer_to_upgrade_to_http_2_is_ignored(service: RunningServer, packets: int) -> None:
    body = json.dumps({"model": MINILM, "input": "a"}).encode()
    head = (
        b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with connect(service) as connection:
        for _ in range(2):
            for packet in [head + body] if packets == 1 else [head, body]:
                connection.sendall(packet)
            response = HTTPResponse(connection)
            response.begin()
            assert response.status == 200
            assert json.loads(response.read())["usage"]["prompt_tokens"] == 3


UPGRADE = b"%b HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"


def test_pipelined_upgrade_requests_are_served(service: RunningServer) -> None:
    with connect(service) as connection:
        connection.sendall(UPGRADE % b"GET /v1/health/live" * 1200)
        received = b""
        while received.count(b"HTTP/1.1 200") < 1200:
            packet = connection.recv(1 << 16)
            assert packet
            received += packet


def test_connect_request_is_rejected(service: RunningServer) -> None:
    with connect(service) as connection:
        connection.sendall(UPGRADE % b"CONNECT example.org:443")
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_tokenize_returns_the_tokens_that_are_embedded(service: RunningServer) -> None:
    texts = ["Hello world", "words " * 1000, "words " * 10**4]
    body = {"model": MINILM, "input": texts}
    # As printed in docs/operation.md.
    result = curl(service, "/v1/tokenize", body)
    assert [item["count"] for item in result["data"]] == [4, 1002, 10**4 + 2]
    assert result["data"][0]["token_ids"] == [101, 7592, 2088, 102]
    assert result["max_tokens"] == 256
    kept = curl(service, "/tokenize", {**body, "truncate": "END"})
    ids = [item["token_ids"] for item in kept["data"]]
    assert list(map(len, ids)) == [4, 256, 256]
    embedded = curl(service, "/v1/embeddings", {**body, "truncate": "END"})
    assert embedded["usage"] == kept["usage"]
    as_ids = curl(service, "/v1/embeddings", {"model": MINILM, "input": ids})
    vectors = np.array(
        [[item["embedding"] for item in each["data"]] for each in (embedded, as_ids)]
    )
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-4
