from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import pytest

from benchmarks.peers import Peer, Vectors, min_cosine

VECTORS = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rows: list[object] = VECTORS.tolist()
        if body["encoding_format"] == "base64":
            rows = [base64.b64encode(row.tobytes()).decode() for row in VECTORS]
        data = [{"index": index, "embedding": row} for index, row in enumerate(rows)]
        known = self.path == "/v1/embeddings" and body["model"] == "m"
        content = json.dumps({"data": data[::-1]} if known else {"error": "no such model"})
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_peer_is_read_from_the_command_line() -> None:
    peer = Peer.parse("TEI=http://127.0.0.1:3000/v1/,org/MiniLM")
    assert (peer.name, peer.url, peer.model) == ("TEI", "http://127.0.0.1:3000/v1", "org/MiniLM")


@pytest.mark.parametrize("argument", ["TEI", "TEI=http://host/v1", "=http://host/v1,m", "a=b,m"])
def test_incomplete_peer_is_rejected(argument: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="NAME=URL,MODEL"):
        Peer.parse(argument)


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_vectors_are_read_in_input_order(url: str, encoding_format: str) -> None:
    found = Peer("peer", url, "m").vectors(["a", "b"], encoding_format)
    np.testing.assert_array_equal(found, VECTORS)


def test_rejected_request_ends_with_the_response(url: str) -> None:
    with pytest.raises(SystemExit, match=r"model 'x': status 404.*no such model"):
        Peer("peer", url, "x").vectors(["a"], "float")


def test_cosine_is_that_of_the_worst_row() -> None:
    assert min_cosine("peer", 2 * VECTORS, VECTORS) == pytest.approx(1.0)
    turned = VECTORS + np.array([[0.0, 0.0], [0.0, 0.1]], np.float32)
    assert min_cosine("peer", turned, VECTORS) == pytest.approx(0.9985, abs=1e-4)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (VECTORS[::-1], r"cosine of a vector .* is 0.6000"),
        (VECTORS * np.nan, r"cosine of a vector .* is nan"),
        (VECTORS[:, :1], r"shape \(2, 1\)"),
    ],
)
def test_other_vectors_are_rejected(vectors: Vectors, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        min_cosine("peer", vectors, VECTORS)
