from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from testing.fake_triton import FakeTriton, running
from testing.ports import free_ports
from triton_embed.cli import main


@contextmanager
def service(status: int) -> Iterator[int]:
    """Run an HTTP service whose readiness is `status` and yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/v1/health/ready" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
def test_gateway_is_healthy_if_it_is_ready(status: int, expected: int) -> None:
    with service(status) as port:
        assert main(["health", "gateway", "--host", "0.0.0.0", "--port", str(port)]) == expected


def test_missing_gateway_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    assert main(["health", "gateway", "--port", str(port)]) == 1
    assert capsys.readouterr().err == f"the gateway at http://127.0.0.1:{port} is not ready\n"


def triton_command(address: str, status_port: int) -> list[str]:
    return ["health", "triton", "--address", address, "--status-port", str(status_port)]


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1), (404, 1)])
def test_triton_is_as_healthy_as_its_supervisor_reports(status: int, expected: int) -> None:
    with service(status) as status_port:
        assert main(triton_command(f"127.0.0.1:{free_ports(1)[0]}", status_port)) == expected


async def test_triton_is_healthy_if_it_serves_a_model() -> None:
    async with running(FakeTriton()) as triton:
        command = triton_command(triton.address, free_ports(1)[0])
        assert await asyncio.to_thread(main, command) == 1
        triton.load_ensemble("tiny", {})
        assert await asyncio.to_thread(main, command) == 0


def test_missing_triton_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    port, status_port = free_ports(2)
    assert main(triton_command(f"127.0.0.1:{port}", status_port)) == 1
    assert "serves no model" in capsys.readouterr().err
