"""What an operator relies on: limits, keys, ids, logs, TLS, settings, traces, a graceful end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from testing.server import RunningServer

LIMITS = {
    "TRITON_EMBED_API_KEYS": "first-key,second-key",
    "TRITON_EMBED_MAX_BODY_BYTES": "20000",
    "TRITON_EMBED_MAX_INPUTS": "50",
    "TRITON_EMBED_MAX_INPUTS_IN_FLIGHT": "8",
    "TRITON_EMBED_CORS_ORIGINS": "https://app.example.org",
    "NIM_JSONL_LOGGING": "1",
    "NIM_MODEL_PROFILE": "auto",
}

KEY = {"Authorization": "Bearer second-key"}


@pytest.fixture(scope="module")
def limited(tiny_repository: Path) -> Iterator[RunningServer]:
    with RunningServer(tiny_repository, environment=LIMITS) as running:
        yield running


def ask(service: RunningServer, texts: list[str], **headers: str) -> httpx.Response:
    body = {"model": "tiny", "input": texts}
    url = f"{service.url}/v1/embeddings"
    return httpx.post(url, json=body, headers={**KEY, **headers}, timeout=60)


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic second-key", "Bearer"])
def test_without_a_key_nothing_is_embedded_or_listed(limited: RunningServer, header: str) -> None:
    for path in ("/v1/models", "/v1/embeddings", "/v1/manifest"):
        answer = limited.get(path, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert f'{{endpoint="{path}",status="401"}}' in limited.get("/metrics").text


def test_any_of_the_keys_lets_in_and_probes_need_none(limited: RunningServer) -> None:
    for key in ("first-key", "second-key"):
        assert ask(limited, ["a"], Authorization=f"Bearer {key}").status_code == 200
    for path in (
        "/v1/health/ready",
        "/v1/health/live",
        "/metrics",
        "/v1/metrics",
        "/docs",
        "/openapi.json",
    ):
        assert limited.get(path).status_code == 200
    for path in ("/v1/health/ready", "/v1/health/live"):
        answer = httpx.head(f"{limited.url}{path}")
        assert answer.status_code == 200
        assert not answer.content


def test_a_body_over_the_limit_is_refused_whether_or_not_it_states_its_length(
    limited: RunningServer,
) -> None:
    answers = [ask(limited, ["x" * 20000])]

    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    answers.append(httpx.post(f"{limited.url}/v1/embeddings", content=chunks(), headers=KEY))
    for answer in answers:
        assert answer.status_code == 413
        assert answer.json()["message"] == "The request body is larger than 20000 bytes."


def test_too_many_inputs_are_refused_with_the_limit(limited: RunningServer) -> None:
    answer = ask(limited, ["a"] * 51)
    assert answer.status_code == 400
    assert answer.json()["message"] == "'input' has 51 inputs, at most 50 are allowed"


async def test_beyond_the_limit_in_flight_requests_get_503_and_when_to_come_back(
    limited: RunningServer,
) -> None:
    async with httpx.AsyncClient(timeout=60, headers=KEY) as client:
        body = {"model": "tiny", "input": ["word " * 60] * 8}
        sent = [client.post(f"{limited.url}/v1/embeddings", json=body) for _ in range(20)]
        answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["code"] == "overloaded"
    assert ask(limited, ["a"]).status_code == 200
    # A list longer than the limit is served when it is alone.
    assert ask(limited, ["a"] * 50).status_code == 200
    rejected = 'triton_embed_rejected_total{reason="overloaded"}'
    assert rejected in limited.get("/metrics").text


def test_request_ids_are_kept_or_made_and_logged_as_json(limited: RunningServer) -> None:
    answer = ask(limited, ["a"], **{"x-request-id": "my-id-1"})
    assert answer.headers["x-request-id"] == "my-id-1"
    assert len(ask(limited, ["a"], **{"x-request-id": "not valid"}).headers["x-request-id"]) == 32
    limited.wait_for('"request_id": "my-id-1"')
    lines = [json.loads(line) for line in limited.output]
    (line,) = (line for line in lines if line.get("request_id") == "my-id-1")
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/embeddings", 200)
    assert line["level"] == "INFO" and line["milliseconds"] > 0


def test_unknown_nim_variables_are_tolerated_with_one_line(limited: RunningServer) -> None:
    told = [line for line in limited.output if "NIM_MODEL_PROFILE" in line]
    assert len(told) == 1


def test_only_listed_origins_may_call_from_a_browser(limited: RunningServer) -> None:
    for origin, allowed in (("https://app.example.org", True), ("https://evil.example", False)):
        answer = ask(limited, ["a"], origin=origin)
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed


def test_a_browser_asks_without_a_key_whether_it_may_send_one(limited: RunningServer) -> None:
    origin = {"origin": "https://app.example.org"}
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = httpx.options(f"{limited.url}/v1/embeddings", headers={**origin, **asked})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-headers"] == "authorization"
    refused = limited.get("/v1/models", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin["origin"]


def test_settings_of_the_nim_change_batching_without_touching_the_files(
    tiny_repository: Path,
) -> None:
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


def test_throughput_mode_runs_encoders_side_by_side(tiny_repository: Path) -> None:
    with RunningServer(tiny_repository, ["--performance-mode", "throughput"]) as service:
        encoder = service.triton().get_model_config("tiny_encoder").config
        cores = len(os.sched_getaffinity(0))
        count = encoder.instance_group[0].count
        assert count == min(cores, 4)
        assert encoder.parameters["intra_op_thread_count"].string_value == str(cores // count)
        assert encoder.dynamic_batching.max_queue_delay_microseconds == 1000
        assert service.post(model="tiny", input="a").status_code == 200


def test_https_is_served_with_a_certificate(tiny_repository: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    flags = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    with RunningServer(tiny_repository, flags) as service:
        trusted = ssl.create_default_context(cafile=str(certificate))
        url = service.url.replace("http:", "https:")
        answer = httpx.get(f"{url}/v1/health/ready", verify=trusted)
        assert answer.status_code == 200


def test_a_certificate_that_cannot_be_used_is_named() -> None:
    gateway = [
        *(sys.executable, "-m", "triton_embed.gateway"),
        *("--tls-certificate", "missing.pem"),
    ]
    ended = subprocess.run([*gateway, "--tls-key", "key.pem"], capture_output=True, text=True)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "'missing.pem'" in line


LONG_LIST = {"model": "tiny", "input": ["word " * 60] * 8000}
"""Takes a second or so."""


async def in_flight(client: httpx.AsyncClient, inputs: int) -> bool:
    metric = f"triton_embed_inputs_in_flight {inputs}.0\n"
    return metric in (await client.get("/metrics")).text


async def test_requests_under_way_are_answered_when_the_service_is_stopped(
    tiny_repository: Path,
) -> None:
    with RunningServer(tiny_repository) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
            sent = asyncio.create_task(client.post("/v1/embeddings", json=LONG_LIST))
            while not await in_flight(client, 8000):
                assert not sent.done()
            service.process.send_signal(signal.SIGTERM)
            answer = await sent
        assert answer.status_code == 200
        assert len(answer.json()["data"]) == 8000
        assert await asyncio.to_thread(service.process.wait, 60) == 0


async def test_work_for_a_client_that_has_left_is_dropped(tiny_repository: Path) -> None:
    with RunningServer(tiny_repository) as service:
        before = service.triton_metric("nv_inference_count", "tiny_encoder")
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
            sent = asyncio.create_task(client.post("/v1/embeddings", json=LONG_LIST))
            while not await in_flight(client, 8000):
                assert not sent.done()
            sent.cancel()
            while not await in_flight(client, 0):
                pass
        assert service.triton_metric("nv_inference_count", "tiny_encoder") - before < 8000


def test_several_workers_are_one_service(tiny_repository: Path) -> None:
    requests = 'triton_embed_requests_total{endpoint="/v1/embeddings",status="200"} '
    with RunningServer(tiny_repository, environment={"TRITON_EMBED_WORKERS": "2"}) as service:
        for _ in range(40):
            assert service.post(model="tiny", input="word").status_code == 200
        # Requests are counted, then logged, after their answers.
        service.wait_for("POST /v1/embeddings 200", times=40)
        # Whichever worker answers counts for both.
        for _ in range(4):
            assert f"{requests}40.0" in service.get("/metrics").text
        os.kill(service.descendants("spawn_main")[0], signal.SIGKILL)
        service.wait_for("gateway: serving tiny", times=3)
        assert service.post(model="tiny", input="word").status_code == 200
        service.wait_for("POST /v1/embeddings 200", times=41)
        text = service.get("/metrics").text
        assert f"{requests}41.0" in text
        assert "triton_embed_inputs_in_flight 0.0" in text
        assert 'triton_embed_phase_seconds_count{model="tiny",phase="infer"}' in text


class Collector(ThreadingHTTPServer):
    """Takes OpenTelemetry spans over OTLP/HTTP and keeps what was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.received: list[bytes] = []
        self.arrived = threading.Condition()


class _Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, Collector)
        with self.server.arrived:
            self.server.received.append(body)
            self.server.arrived.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def test_one_trace_runs_from_the_client_through_gateway_and_triton(tiny_repository: Path) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    collector = Collector()
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    environment = {
        "NIM_ENABLE_OTEL": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }

    def spans() -> set[str]:
        everything = b"".join(collector.received)
        names = ("POST /v1/embeddings", "tiny", "tiny_tokenizer", "tiny_encoder")
        return {name for name in names if name.encode() in everything}

    with RunningServer(tiny_repository, environment=environment) as service:
        answer = httpx.post(
            f"{service.url}/v1/embeddings",
            json={"model": "tiny", "input": "a"},
            headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
        )
        assert answer.status_code == 200
        with collector.arrived:
            assert collector.arrived.wait_for(lambda: len(spans()) == 4, 30), spans()
    collector.shutdown()
    everything = b"".join(collector.received)
    # In protobuf from the gateway, in JSON from Triton.
    assert bytes.fromhex(trace) in everything
    assert trace.encode() in everything


def test_a_service_that_is_stopped_sends_the_spans_it_has(tiny_repository: Path) -> None:
    collector = Collector()
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    environment = {
        "NIM_ENABLE_OTEL": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
    }
    with RunningServer(tiny_repository, environment=environment) as service:
        assert service.post(model="tiny", input="a").status_code == 200
    collector.shutdown()
    assert b"POST /v1/embeddings" in b"".join(collector.received)


def test_triton_itself_is_not_reachable_beyond_loopback(limited: RunningServer) -> None:
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path("/proc/net", name).read_text().splitlines()
    ]
    for port in (limited.grpc_port, limited.http_port, limited.metrics_port):
        end = f":{port:04X}"
        listening = {line[1] for line in lines if line[1].endswith(end) and line[3] == "0A"}
        loopback = {f"0100007F{end}", f"0000000000000000FFFF00000100007F{end}"}
        assert listening and listening <= loopback
