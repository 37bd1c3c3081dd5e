"""Limits, request ids, logs, settings of models, several workers, a graceful stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testing.server import REQUEST_SECONDS, RunningServer
from testing.waiting import eventually_async

LIMITS = {
    "TRITON_EMBED_MAX_INPUTS_PER_REQUEST": "50",
    "TRITON_EMBED_MAX_CONCURRENT_INPUTS": "8",
    "NIM_JSONL_LOGGING": "1",
    "NIM_MODEL_PROFILE": "auto",
}


@pytest.fixture(scope="module")
def limited(tiny_repository: Path) -> Iterator[RunningServer]:
    with RunningServer(tiny_repository, environment=LIMITS) as running:
        yield running


def with_request_id(service: RunningServer, request_id: str) -> httpx.Response:
    url, headers = f"{service.url}/v1/embeddings", {"x-request-id": request_id}
    return httpx.post(
        url, json={"model": "tiny", "input": "a"}, headers=headers, timeout=REQUEST_SECONDS
    )


def test_list_over_the_limit_is_rejected(limited: RunningServer) -> None:
    response = limited.post(model="tiny", input=["a"] * 51)
    assert response.status_code == 400
    assert response.json()["message"] == "'input' has 51 inputs, at most 50 are allowed"


async def test_requests_over_the_concurrency_limit_get_503_with_retry_after(
    limited: RunningServer,
) -> None:
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS) as client:
        body = {"model": "tiny", "input": ["word " * 60] * 8}
        sent = [client.post(f"{limited.url}/v1/embeddings", json=body) for _ in range(20)]
        responses = await asyncio.gather(*sent)
    assert {response.status_code for response in responses} == {200, 503}
    for response in responses:
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
            assert response.json()["error"]["code"] == "overloaded"
    rejected = 'triton_embed_requests_rejected_total{reason="overloaded"}'
    assert rejected in limited.get("/metrics").text


def test_list_longer_than_the_concurrency_limit_is_served_alone(limited: RunningServer) -> None:
    assert limited.post(model="tiny", input=["a"] * 50).status_code == 200


def test_valid_request_id_is_returned_and_logged(limited: RunningServer) -> None:
    response = with_request_id(limited, "my-id-1")
    assert response.headers["x-request-id"] == "my-id-1"
    limited.wait_for('"request_id": "my-id-1"')
    (text,) = limited.logged('"request_id": "my-id-1"')
    line = json.loads(text)
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/embeddings", 200)
    assert line["level"] == "INFO" and line["milliseconds"] > 0


def test_invalid_request_id_is_replaced(limited: RunningServer) -> None:
    assert len(with_request_id(limited, "not valid").headers["x-request-id"]) == 32


def test_every_line_of_a_json_log_is_json(limited: RunningServer) -> None:
    assert all(json.loads(line)["message"] for line in limited.output)


def test_unknown_nim_variable_is_reported_once(limited: RunningServer) -> None:
    assert len(limited.logged("NIM_MODEL_PROFILE")) == 1


def test_settings_of_models_apply_without_changing_the_files(tiny_repository: Path) -> None:
    files = {path: path.stat().st_mtime_ns for path in tiny_repository.rglob("*")}
    environment = {
        "NIM_TRITON_DYNAMIC_BATCHING_MAX_QUEUE_DELAY_MICROSECONDS": "777",
        "NIM_TRITON_MAX_BATCH_SIZE": "16",
        "NIM_NUM_MODEL_INSTANCES": "2",
        "NIM_NUM_TOKENIZERS": "2",
        "NIM_SERVED_MODEL_NAME": "public/name",
    }
    with RunningServer(tiny_repository, environment=environment) as service:
        client = service.triton()
        encoder = client.get_model_config("tiny_encoder").config
        assert encoder.dynamic_batching.max_queue_delay_microseconds == 777
        assert encoder.max_batch_size == 16
        assert encoder.instance_group[0].count == 2
        assert client.get_model_config("tiny_tokenizer").config.instance_group[0].count == 2
        assert len(service.descendants("tiny_encoder")) == 2
        assert service.vectors("public/name-query", ["a"] * 40).shape == (40, 32)
        assert service.post(model="tiny", input="a").status_code == 404
    assert {path: path.stat().st_mtime_ns for path in tiny_repository.rglob("*")} == files


def test_throughput_mode_runs_several_encoders(tiny_repository: Path) -> None:
    with RunningServer(tiny_repository, ["--performance-mode", "throughput"]) as service:
        encoder = service.triton().get_model_config("tiny_encoder").config
        cores = len(os.sched_getaffinity(0))
        count = encoder.instance_group[0].count
        assert count == min(cores, 4)
        assert encoder.parameters["intra_op_thread_count"].string_value == str(cores // count)
        assert encoder.dynamic_batching.max_queue_delay_microseconds == 1000
        assert service.post(model="tiny", input="a").status_code == 200


BULK_REQUEST = {"model": "tiny", "input": ["word " * 60] * 8000}
"""Takes about a second."""

COUNTED_INPUTS = 192
"""Inputs of a bulk request that count as in flight."""


async def inputs_in_flight(client: httpx.AsyncClient, inputs: int) -> None:
    """Wait until the gateway reports this number of inputs in flight."""

    async def reported() -> bool:
        metrics = (await client.get("/metrics")).text
        return f"triton_embed_inputs_in_flight {inputs}.0\n" in metrics

    await eventually_async(reported, message=f"{inputs} inputs in flight")


async def test_stopping_service_completes_requests_in_flight(tiny_repository: Path) -> None:
    with RunningServer(tiny_repository) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=REQUEST_SECONDS) as client:
            sent = asyncio.create_task(client.post("/v1/embeddings", json=BULK_REQUEST))
            await inputs_in_flight(client, COUNTED_INPUTS)
            service.process.send_signal(signal.SIGTERM)
            response = await sent
        assert response.status_code == 200
        assert len(response.json()["data"]) == 8000
        assert await asyncio.to_thread(service.process.wait, 60) == 0


async def test_unsent_inputs_of_a_disconnected_client_are_dropped(tiny_repository: Path) -> None:
    with RunningServer(tiny_repository) as service:
        before = service.triton_metric("nv_inference_count", "tiny_encoder")
        async with httpx.AsyncClient(base_url=service.url, timeout=REQUEST_SECONDS) as client:
            sent = asyncio.create_task(client.post("/v1/embeddings", json=BULK_REQUEST))
            await inputs_in_flight(client, COUNTED_INPUTS)
            sent.cancel()
            await inputs_in_flight(client, 0)
        assert service.triton_metric("nv_inference_count", "tiny_encoder") - before < 8000


@pytest.fixture(scope="module")
def two_workers(tiny_repository: Path) -> Iterator[RunningServer]:
    with RunningServer(tiny_repository, environment={"TRITON_EMBED_WORKERS": "2"}) as running:
        yield running


REQUESTS = 'triton_embed_http_requests_total{method="POST",route="/v1/embeddings",status="200"} '


def test_metrics_of_several_workers_are_summed(two_workers: RunningServer) -> None:
    for _ in range(40):
        assert two_workers.post(model="tiny", input="word").status_code == 200
    # Requests are counted, then logged, after their responses.
    two_workers.wait_for("POST /v1/embeddings 200", times=40)
    # Each worker reports the sum; four requests reach both.
    for _ in range(4):
        assert f"{REQUESTS}40.0" in two_workers.get("/metrics").text


def test_killed_worker_is_replaced_and_its_metrics_stay(two_workers: RunningServer) -> None:
    before = len(two_workers.logged("POST /v1/embeddings 200"))
    os.kill(two_workers.descendants("spawn_main")[0], signal.SIGKILL)
    two_workers.wait_for("gateway: serving tiny", times=3)
    assert two_workers.post(model="tiny", input="word").status_code == 200
    two_workers.wait_for("POST /v1/embeddings 200", times=before + 1)
    text = two_workers.get("/metrics").text
    assert f"{REQUESTS}{before + 1}.0" in text
    assert "triton_embed_inputs_in_flight 0.0" in text
    assert "triton_embed_inputs_limit 1024.0" in text
    assert text.count("triton_embed_process_resident_memory_bytes{pid=") == 2
    assert 'triton_embed_phase_duration_seconds_count{model="tiny",phase="parse"}' in text
    assert 'model="tiny",phase="encode"' in text
