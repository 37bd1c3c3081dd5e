"""A Hugging Face hub on loopback whose repositories are folders, for ``huggingface_hub``."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A running hub; a context manager that stops it.

    Attributes:
        repositories: Folder of each repository, by id.
        gated: Ids of repositories whose files require a token.
        fetched: Paths of the files whose contents were requested, in order.
        ranges: The ``Range`` headers of these requests.
        cut: Returns for a path the number of bytes to send before the connection is closed;
            ``None``: all.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.fetched: list[str] = []
        self.ranges: list[str] = []
        self.cut: Callable[[str], int | None] = lambda path: None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub._respond(self)

            def do_GET(self) -> None:
                hub._respond(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _respond(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        api = path.startswith("/api/models/")
        parts = path.removeprefix("/api/models/").removeprefix("/").split("/")
        if len(parts) < 4:
            # Such as the client's own requests for its version.
            _reject(request, 404, "EntryNotFound")
            return
        name, action, revision, file = "/".join(parts[:2]), parts[2], parts[3], "/".join(parts[4:])
        if name not in self.repositories:
            _reject(request, 401, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            _reject(request, 404, "RevisionNotFound")
        elif api:
            _send_json(
                request, self._tree(name) if action == "tree" else {"id": name, "sha": COMMIT}
            )
        elif name in self.gated and not request.headers.get("Authorization"):
            _reject(request, 401, "GatedRepo")
        else:
            self._send_file(request, name, file)

    def _tree(self, name: str) -> list[dict[str, object]]:
        folder = self.repositories[name]
        return [
            {
                "type": "file",
                "path": path.relative_to(folder).as_posix(),
                "size": path.stat().st_size,
                "oid": _etag(path),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]

    def _send_file(self, request: BaseHTTPRequestHandler, name: str, file: str) -> None:
        path = self.repositories[name] / file
        if not path.is_file():
            _reject(request, 404, "EntryNotFound")
            return
        contents = path.read_bytes()
        begin = 0
        if span := request.headers.get("Range"):
            begin = int(span.removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if span else 200)
        request.send_header("ETag", f'"{_etag(path)}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Content-Length", str(len(contents) - begin))
        if span:
            total = len(contents)
            request.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
        request.end_headers()
        if request.command == "HEAD":
            return
        self.fetched.append(file)
        if span:
            self.ranges.append(span)
        cut = self.cut(file)
        if cut is not None:
            request.close_connection = True
        request.wfile.write(contents[begin : None if cut is None else begin + cut])


class _Server(ThreadingHTTPServer):
    # More downloads run at the same time than the default backlog holds.
    request_queue_size = 64


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _reject(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    request.send_response(status)
    request.send_header("X-Error-Code", code)
    request.send_header("X-Error-Message", code)
    request.send_header("Content-Length", "0")
    request.end_headers()


def _send_json(request: BaseHTTPRequestHandler, value: object) -> None:
    contents = json.dumps(value).encode()
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(contents)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(contents)
