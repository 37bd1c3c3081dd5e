"""Further gateways in front of a running Triton, and a reverse proxy that removes a prefix."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from testing.paths import ROOT
from testing.ports import free_ports
from testing.server import REQUEST_SECONDS
from testing.waiting import eventually

PREFIX = "/embed"
"""Prefix of all paths in front of the reverse proxy."""


@contextmanager
def gateway(grpc_port: int, status_port: int, **variables: str) -> Iterator[str]:
    """Run a gateway and return its URL once it responds.

    Args:
        grpc_port: Port of Triton's gRPC API.
        status_port: Port of the supervisor's state.
        variables: Further environment variables.
    """
    (port,) = free_ports(1)
    command = [
        *(sys.executable, "-m", "triton_embed", "gateway", "--port", str(port)),
        *("--triton-address", f"127.0.0.1:{grpc_port}", "--status-port", str(status_port)),
    ]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables})
    url = f"http://127.0.0.1:{port}"

    def is_live() -> bool:
        return httpx.get(f"{url}/v1/health/live", timeout=REQUEST_SECONDS).status_code == 200

    try:
        eventually(is_live, message="the gateway is not live", ignored=(httpx.TransportError,))
        yield url
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def reverse_proxy(target: str) -> Iterator[str]:
    """Serve the paths of `target` below `PREFIX` only, and return the URL without the prefix."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(target))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(target: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Sends requests to the target."""

        def do_GET(self) -> None:
            """Forward a request without a body."""
            self._forward(b"")

        def do_POST(self) -> None:
            """Forward a request with a body."""
            self._forward(self.rfile.read(int(self.headers["content-length"])))

        def _forward(self, body: bytes) -> None:
            path = self.path.removeprefix(PREFIX)
            if path == self.path:
                self.send_error(404)
                return
            response = httpx.request(
                self.command,
                f"{target}{path or '/'}",
                content=body,
                headers={"content-type": self.headers.get("content-type", "")},
                timeout=REQUEST_SECONDS,
            )
            self.send_response(response.status_code)
            for name in ("content-type", "content-security-policy"):
                if name in response.headers:
                    self.send_header(name, response.headers[name])
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler
