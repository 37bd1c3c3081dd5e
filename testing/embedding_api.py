"""A server of ``/v1/embeddings`` without a model, in this process or over a real socket.

The vector of a text is a function of the text alone, so that tests can check every row.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

WIDTH = 8
"""Length of the vectors."""

BAD = "bad"
"""A text that contains this is rejected."""

Reply = tuple[int, dict[str, str], Any]
"""Status, headers and JSON body."""


def vector(text: str, dtype: Any = np.float32) -> NDArray[Any]:
    """Return the vector of a text, [WIDTH]: any integers; in float32, integers and a half."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=WIDTH).digest()
    found = np.frombuffer(digest, np.uint8 if dtype == np.uint8 else np.int8)
    return found + np.float32(0.5) if dtype == np.float32 else found.astype(dtype)


def vectors(texts: Sequence[str], dtype: Any = np.float32) -> NDArray[Any]:
    """Return the vectors of texts, [texts, WIDTH]."""
    return np.array([vector(text, dtype) for text in texts], dtype)


def rejection(message: str, status: int = 400, param: str | None = "input") -> Reply:
    """Return an error as our server renders it."""
    fields = {"message": message, "type": "invalid", "param": param, "code": "invalid_value"}
    return status, {}, {"object": "error", **fields, "error": fields}


@dataclass
class EmbeddingApi:
    """The server's behavior.

    Attributes:
        first: Called with each body before it is served; a reply takes precedence.
        names_index: Whether errors name the input at fault, as our server does.
        ignored: Options that the server ignores, ``encoding_format`` included.
        model: The description of the model in ``/v1/models``.
        bodies: The bodies received.
        authorizations: The ``Authorization`` headers received.
    """

    first: Callable[[dict[str, Any]], Reply | None] = lambda body: None
    names_index: bool = True
    ignored: tuple[str, ...] = ()
    model: dict[str, Any] = field(default_factory=lambda: {"id": "m", "owned_by": "someone"})
    bodies: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """All texts received, in the order of the requests."""
        return [text for body in self.bodies for text in body["input"]]

    def reply(self, method: str, path: str, content: bytes) -> Reply:
        """Return the reply to a request."""
        if method == "GET":
            return 200, {}, self.model
        body = json.loads(content)
        self.bodies.append(body)
        heeded = {name: body[name] for name in body if name not in self.ignored}
        return self.first(body) or self._embed(heeded)

    def _embed(self, body: dict[str, Any]) -> Reply:
        texts = body["input"]
        for index, text in enumerate(texts):
            if BAD in text:
                place = f" (input[{index}])" if self.names_index and len(texts) > 1 else ""
                return rejection(f"this text is {BAD}{place}")
        kinds: dict[Any, Any] = {"int8": np.int8, "uint8": np.uint8}
        kind = kinds.get(body.get("embedding_type"), np.float32)
        data = []
        for index, text in enumerate(texts):
            found = vector(text, kind)
            is_base64 = body.get("encoding_format") == "base64"
            encoded = base64.b64encode(found.tobytes()).decode() if is_base64 else found.tolist()
            data.append({"index": index, "embedding": encoded})
        return 200, {}, {"data": data, "usage": {"total_tokens": sum(map(len, texts))}}

    def transport(self) -> httpx.MockTransport:
        """Return a transport that leads to this server without a network."""

        def handle(request: httpx.Request) -> httpx.Response:
            self.authorizations.append(request.headers.get("authorization"))
            reply = self.reply(request.method, request.url.path, request.content)
            status, headers, body = reply
            return httpx.Response(status, headers=headers, json=body)

        return httpx.MockTransport(handle)

    @contextmanager
    def listening(self, port: int = 0) -> Iterator[str]:
        """Serve on a port of this machine while in the block, and yield the base URL."""
        server = _Server(("127.0.0.1", port), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors, except that a client has closed its connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(api: EmbeddingApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, headers, body = api.reply(self.command, self.path, self.rfile.read(length))
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *arguments: Any) -> None:
            """Log nothing."""

    return Handler
