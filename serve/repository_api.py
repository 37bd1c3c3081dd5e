"""Client of the part of Triton's HTTP API that loads and unloads models.

Triton protects this API with a fixed header, which its command line, and thus every process list,
shows. It is therefore closed over gRPC, and its HTTP server is bound to a Unix socket in a folder
that other users cannot enter. gRPC cannot do the same: clients need its port.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from triton_embed.serve.errors import TritonError

UNSAFE_NAME = re.compile(r"[\s?#/]")
"""Characters that a model's name in a URL cannot have: Triton does not decode percent signs."""

GRPC_STATUS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
}
"""gRPC status by HTTP status; all others are ``INTERNAL``."""


ALIAS_FILES = {"file:1/alias": b64encode(b"alias").decode()}
"""Content of an ensemble that has no folder: Triton requires at least one file in its version."""


@dataclass(frozen=True)
class AdminEndpoint:
    """The address of Triton's HTTP API.

    Attributes:
        socket: Path of a Unix socket.
        address: Host and port, if Triton's HTTP API has a port; `socket` is then not used.
        headers: Headers that Triton requires.
    """

    socket: Path
    address: tuple[str, int] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a new connection."""
        if self.address:
            return await asyncio.open_connection(*self.address)
        return await asyncio.open_unix_connection(self.socket)


class RepositoryApi:
    """Loads, unloads and lists models. Each request may raise `TritonError`.

    Args:
        endpoint: Triton's HTTP API.
    """

    def __init__(self, endpoint: AdminEndpoint) -> None:
        self._endpoint = endpoint

    async def load(self, model: str, config: str | None = None) -> None:
        """Load or reload `model`, with `config` as JSON in place of the one in the repository."""
        await self._post(model, "load", {"config": config} if config else {})

    async def load_alias(self, model: str, config: str) -> None:
        """Load an ensemble that the repository does not have, with `config` as JSON."""
        await self._post(model, "load", {"config": config, **ALIAS_FILES})

    async def unload(self, model: str) -> None:
        """Unload `model`."""
        await self._post(model, "unload", {})

    async def states(self) -> dict[str, str]:
        """Return the state of each model in the repository that was loaded at least once."""
        found = await self._request("index", {})
        return {model["name"]: model["state"] for model in found if "state" in model}

    async def _post(self, model: str, action: str, parameters: Mapping[str, str]) -> None:
        if UNSAFE_NAME.search(model):
            raise TritonError(
                f"the name '{model}' contains a space or one of ?#/; rename its folder",
                "INVALID_ARGUMENT",
            )
        await self._request(f"models/{model}/{action}", {"parameters": parameters})

    async def _request(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send one request over a new connection; there is no time limit: a load takes minutes."""
        content = json.dumps(body).encode()
        headers = {
            "Host": "triton",
            # Triton waits for open connections when it is stopped.
            "Connection": "close",
            "Content-Length": str(len(content)),
            **self._endpoint.headers,
        }
        lines = [f"POST /v2/repository/{path} HTTP/1.1", *map(": ".join, headers.items()), "", ""]
        try:
            reader, writer = await self._endpoint.connect()
            try:
                writer.write("\r\n".join(lines).encode() + content)
                await writer.drain()
                status, content = await _read(reader)
            finally:
                writer.close()
        except (OSError, EOFError) as error:
            raise TritonError(f"its HTTP API does not respond: {error}", "UNAVAILABLE") from error
        # A folder's name may not be valid UTF-8.
        response = json.loads(content.decode(errors="replace")) if content else {}
        if status != HTTPStatus.OK:
            message = str(response.get("error", f"HTTP status {status}"))
            raise TritonError(message, GRPC_STATUS.get(status, "INTERNAL"))
        return response


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of a response. Triton does not always close the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"^content-length: *(\d+)", head, re.MULTILINE | re.IGNORECASE)
    content = await reader.readexactly(int(length[1])) if length else await reader.read()
    return int(head.split(maxsplit=2)[1]), content
