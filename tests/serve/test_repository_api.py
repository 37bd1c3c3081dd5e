from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from triton_embed.serve.errors import TritonError
from triton_embed.serve.repository_api import AdminEndpoint, RepositoryApi


class HttpTriton:
    """Triton's HTTP server; it keeps connections open, as after a load.

    Attributes:
        requests: Request line, headers and body of each request.
        response: The bytes sent for each request.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, list[str], Any]] = []
        self.response = response(200, b"")

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        length = next(int(line.split()[1]) for line in head if line.startswith("Content-Length"))
        self.requests.append((head[0], head[1:-2], json.loads(await reader.readexactly(length))))
        writer.write(self.response)
        await reader.read()
        writer.close()


def response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.fixture
async def triton(tmp_path: Path) -> AsyncIterator[HttpTriton]:
    fake = HttpTriton()
    server = await asyncio.start_unix_server(fake.respond, tmp_path / "socket")
    yield fake
    server.close()


@pytest.fixture
def api(tmp_path: Path) -> RepositoryApi:
    return RepositoryApi(AdminEndpoint(tmp_path / "socket"))


async def test_load_sends_the_configuration(api: RepositoryApi, triton: HttpTriton) -> None:
    await api.load("tiny", '{"name": "tiny"}')
    ((line, _, body),) = triton.requests
    assert line == "POST /v2/repository/models/tiny/load HTTP/1.1"
    assert body == {"parameters": {"config": '{"name": "tiny"}'}}


async def test_alias_is_loaded_with_a_file_in_place_of_a_folder(
    api: RepositoryApi, triton: HttpTriton
) -> None:
    await api.load_alias("other", '{"name": "other"}')
    ((line, _, body),) = triton.requests
    assert line == "POST /v2/repository/models/other/load HTTP/1.1"
    assert body == {"parameters": {"config": '{"name": "other"}', "file:1/alias": "YWxpYXM="}}


async def test_unload_sends_a_name_without_percent_signs(
    api: RepositoryApi, triton: HttpTriton
) -> None:
    # Triton does not decode the path.
    await api.unload("größe%")
    assert triton.requests[0][0] == "POST /v2/repository/models/größe%/unload HTTP/1.1"


@pytest.mark.parametrize("name", ["a b", "a?b", "a#b"])
async def test_name_that_a_url_cannot_have_is_rejected(api: RepositoryApi, name: str) -> None:
    with pytest.raises(TritonError, match="rename its folder"):
        await api.load(name)


async def test_states_lists_the_models_that_were_loaded(
    api: RepositoryApi, triton: HttpTriton
) -> None:
    models = b'[{"name":"a","version":"1","state":"READY"},{"name":"\xe9"}]'
    triton.response = response(200, models)
    assert await api.states() == {"a": "READY"}


@pytest.mark.parametrize(("status", "name"), [(500, "INTERNAL"), (400, "INVALID_ARGUMENT")])
async def test_error_has_the_message_and_a_grpc_status(
    api: RepositoryApi, triton: HttpTriton, status: int, name: str
) -> None:
    triton.response = response(status, b'{"error":"failed to load"}')
    with pytest.raises(TritonError, match="failed to load") as caught:
        await api.load("tiny")
    assert caught.value.status == name


async def test_triton_that_ends_during_a_request_is_unavailable(tmp_path: Path) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")
        writer.close()

    async with await asyncio.start_unix_server(end, tmp_path / "socket"):
        with pytest.raises(TritonError, match="does not respond") as caught:
            await RepositoryApi(AdminEndpoint(tmp_path / "socket")).states()
    assert caught.value.status == "UNAVAILABLE"


async def test_missing_server_is_unavailable(api: RepositoryApi) -> None:
    with pytest.raises(TritonError) as caught:
        await api.states()
    assert caught.value.status == "UNAVAILABLE"


async def test_port_of_the_http_api_requires_the_headers() -> None:
    fake = HttpTriton()
    async with await asyncio.start_server(fake.respond, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        endpoint = AdminEndpoint(Path("unused"), ("127.0.0.1", port), {"admin": "token"})
        await RepositoryApi(endpoint).unload("tiny")
    assert "admin: token" in fake.requests[0][1]
