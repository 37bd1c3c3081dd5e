"""An OpenTelemetry collector on loopback that stores the received spans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Collector(ThreadingHTTPServer):
    """Receives spans over OTLP/HTTP.

    Attributes:
        url: Value for ``OTEL_EXPORTER_OTLP_ENDPOINT``.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._bodies: list[bytes] = []
        self._changed = threading.Condition()

    def add(self, body: bytes) -> None:
        """Store the body of one request."""
        with self._changed:
            self._bodies.append(body)
            self._changed.notify_all()

    @property
    def received(self) -> bytes:
        """All bodies so far: protobuf from the gateway, JSON from Triton."""
        return b"".join(self._bodies)

    def wait_for(self, *texts: str, deadline_seconds: float = 30) -> None:
        """Wait until the bodies contain each of `texts`.

        Raises:
            AssertionError: Some are missing at the deadline.
        """

        def missing() -> list[str]:
            received = self.received
            return [text for text in texts if text.encode() not in received]

        with self._changed:
            complete = self._changed.wait_for(lambda: not missing(), deadline_seconds)
            assert complete, f"not received: {missing()}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.add(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector while in the block."""
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        try:
            yield collector
        finally:
            collector.shutdown()
