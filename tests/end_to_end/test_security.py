"""Keys, origins, body sizes, TLS, and the ports that only this machine may use."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testing.server import REQUEST_SECONDS, RunningServer

ORIGIN = "https://app.example.org"

KEYS = {"TRITON_EMBED_API_KEYS": "first-key,second-key"}

FLAGS = ("--max-body-bytes", "20000", "--cors-origins", ORIGIN)

KEY = {"Authorization": "Bearer second-key"}


@pytest.fixture(scope="module")
def secured(tiny_repository: Path) -> Iterator[RunningServer]:
    with RunningServer(tiny_repository, FLAGS, KEYS, triton_http=True) as running:
        yield running


def embed(service: RunningServer, text: str, **headers: str) -> httpx.Response:
    body = {"model": "tiny", "input": text}
    url = f"{service.url}/v1/embeddings"
    return httpx.post(url, json=body, headers={**KEY, **headers}, timeout=REQUEST_SECONDS)


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic second-key", "Bearer"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/embeddings", "/v1/manifest"])
def test_request_without_a_valid_key_is_rejected(
    secured: RunningServer, path: str, header: str
) -> None:
    response = secured.get(path, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert response.headers["www-authenticate"] == "Bearer"


def test_requests_rejected_for_their_key_are_counted(secured: RunningServer) -> None:
    assert secured.get("/v1/models").status_code == 401
    assert '{method="GET",route="/v1/models",status="401"}' in secured.get("/metrics").text


@pytest.mark.parametrize("key", ["first-key", "second-key"])
def test_each_key_is_accepted(secured: RunningServer, key: str) -> None:
    assert embed(secured, "a", Authorization=f"Bearer {key}").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/health/ready", "/v1/health/live", "/metrics", "/v1/metrics", "/docs", "/openapi.json"],
)
def test_public_path_needs_no_key(secured: RunningServer, path: str) -> None:
    assert secured.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/v1/health/ready", "/v1/health/live"])
def test_health_responds_to_head_without_a_body(secured: RunningServer, path: str) -> None:
    response = httpx.head(f"{secured.url}{path}")
    assert response.status_code == 200
    assert not response.content


def test_body_with_a_length_over_the_limit_is_rejected(secured: RunningServer) -> None:
    response = embed(secured, "x" * 20000)
    assert response.status_code == 413
    assert response.json()["message"] == "The request body is larger than 20000 bytes."


def test_chunked_body_over_the_limit_is_rejected(secured: RunningServer) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    response = httpx.post(f"{secured.url}/v1/embeddings", content=chunks(), headers=KEY)
    assert response.status_code == 413


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, True), ("https://evil.example", False)])
def test_only_configured_origins_are_allowed(
    secured: RunningServer, origin: str, allowed: bool
) -> None:
    response = embed(secured, "a", origin=origin)
    assert (response.headers.get("access-control-allow-origin") == origin) is allowed


def test_preflight_request_of_a_browser_needs_no_key(secured: RunningServer) -> None:
    headers = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    response = httpx.options(f"{secured.url}/v1/embeddings", headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-headers"] == "authorization"


def test_rejection_of_a_key_has_the_headers_that_browsers_need(secured: RunningServer) -> None:
    response = secured.get("/v1/models", headers={"origin": ORIGIN})
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == ORIGIN


def test_triton_listens_on_loopback_only(secured: RunningServer) -> None:
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path("/proc/net", name).read_text().splitlines()
    ]
    for port in (secured.grpc_port, secured.http_port, secured.metrics_port):
        end = f":{port:04X}"
        listening = {line[1] for line in lines if line[1].endswith(end) and line[3] == "0A"}
        loopback = {f"0100007F{end}", f"0000000000000000FFFF00000100007F{end}"}
        assert listening and listening <= loopback


def issue(certificate: Path, key: Path) -> None:
    """Write a self-signed certificate for this machine, and its key."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )


def test_https_is_served_with_the_present_certificate_by_all_workers(
    tiny_repository: Path, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issue(certificate, key)
    flags = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--workers", "2"]
    with RunningServer(tiny_repository, flags) as service:
        url = service.url.replace("http:", "https:")
        for _ in range(2):
            trusted = ssl.create_default_context(cafile=str(certificate))
            # Each request is a new connection; a few reach both workers.
            for _ in range(8):
                assert httpx.get(f"{url}/v1/health/ready", verify=trusted).status_code == 200
            issue(certificate, key)


def test_missing_certificate_is_named_in_one_line() -> None:
    gateway = [sys.executable, "-m", "triton_embed", "gateway"]
    flags = ["--tls-certificate", "missing.pem", "--tls-key", "key.pem"]
    ended = subprocess.run([*gateway, *flags], capture_output=True, text=True)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "'missing.pem'" in line
