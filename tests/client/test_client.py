from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from testing.embedding_api import BAD, EmbeddingApi, Reply, rejection, vectors
from triton_embed.client import (
    AsyncClient,
    Client,
    InvalidResponse,
    RequestRejected,
    ServerFailed,
    ServerUnavailable,
)
from triton_embed.client.concurrency import ConcurrencyLimit
from triton_embed.client.connection import MAX_INTERNAL_ERRORS, Connection, Server
from triton_embed.client.options import EmbedOptions
from triton_embed.client.sender import Sender

TEXTS = [f"{'word ' * (index * 7 % 400)}{index}" for index in range(1000)]
OVERLOADED: Reply = (503, {"retry-after": "0"}, {"message": "overloaded"})


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triton_embed.client.retry.FIRST_PAUSE_SECONDS", 0.001)


def server(api: EmbeddingApi, **options: Any) -> Server:
    return Server("http://server", transport=api.transport(), **options)


async def embed(api: EmbeddingApi, texts: list[str], **options: Any) -> Any:
    async with AsyncClient(server=server(api, **options), model="m") as client:
        return await client.embed(texts)


async def test_long_list_is_cut_and_its_order_restored() -> None:
    api = EmbeddingApi()
    found = await embed(api, TEXTS)
    assert len(api.bodies) > 3
    np.testing.assert_array_equal(found, vectors(TEXTS))
    assert found.dtype == np.float32


async def test_empty_list_is_not_sent() -> None:
    api = EmbeddingApi()
    assert (await embed(api, [])).shape == (0, 0)
    assert api.bodies == []


@pytest.mark.parametrize("url", ["http://server", "http://server/", "http://server/v1"])
def test_url_may_end_in_the_version(url: str) -> None:
    assert Server(url).api == "http://server/v1"


async def test_api_key_is_sent_and_not_shown() -> None:
    api = EmbeddingApi()
    await embed(api, ["a"], api_key="secret")
    assert api.authorizations == ["Bearer secret"]
    assert "secret" not in repr(Server(api_key="secret"))


async def test_overloaded_server_is_retried() -> None:
    replies: Iterator[Reply | None] = iter([OVERLOADED, (429, {}, {}), None])
    api = EmbeddingApi(first=lambda body: next(replies, None))
    np.testing.assert_array_equal(await embed(api, ["a"]), vectors(["a"]))
    assert len(api.bodies) == 3


async def test_retries_end_after_the_given_time() -> None:
    api = EmbeddingApi(first=lambda body: OVERLOADED)
    with pytest.raises(ServerUnavailable, match="http://server: HTTP status 503: overloaded"):
        await embed(api, ["a"], retry_seconds=0.0)


async def test_internal_errors_are_retried_a_few_times() -> None:
    api = EmbeddingApi(first=lambda body: (500, {}, {"message": "defect"}))
    with pytest.raises(ServerFailed, match="HTTP status 500: defect"):
        await embed(api, ["a"])
    assert len(api.bodies) == MAX_INTERNAL_ERRORS


def failing(body: dict[str, Any]) -> Reply | None:
    """The reply of a server with a defect that some texts reveal."""
    reveals = any(BAD in text for text in body["input"])
    return (500, {}, {"message": "defect"}) if reveals else None


async def test_inputs_that_reveal_a_defect_are_collected() -> None:
    texts = [BAD if index in (3, 70) else text for index, text in enumerate(TEXTS[:100])]
    connection = Connection(server(EmbeddingApi(first=failing)))
    found = await Sender(connection, EmbedOptions("m")).embed(texts, collect=True)
    await connection.close()
    assert sorted(found.rejected) == [3, 70]
    assert found.rejected[70].message == "http://server: HTTP status 500: defect"
    good = [index for index in range(100) if index not in found.rejected]
    np.testing.assert_array_equal(found.vectors[good], vectors([texts[each] for each in good]))


async def test_server_that_fails_with_all_texts_is_an_error() -> None:
    api = EmbeddingApi(first=lambda body: (500, {}, {"message": "defect"}))
    connection = Connection(server(api))
    with pytest.raises(ServerFailed, match="defect"):
        await Sender(connection, EmbedOptions("m")).embed(["a", "b", "c"], collect=True)
    await connection.close()
    assert len(api.bodies) == 2 * MAX_INTERNAL_ERRORS


async def test_internal_error_does_not_pause_other_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reductions: list[float] = []
    monkeypatch.setattr(
        ConcurrencyLimit, "overloaded", lambda self, started, pause: reductions.append(pause)
    )
    with pytest.raises(ServerFailed):
        await embed(EmbeddingApi(first=failing), [BAD])
    assert reductions == []


async def test_server_without_base64_is_usable() -> None:
    found = await embed(EmbeddingApi(ignored=("encoding_format",)), TEXTS[:10])
    np.testing.assert_array_equal(found, vectors(TEXTS[:10]))


async def test_ignored_embedding_type_is_an_error() -> None:
    api = EmbeddingApi(ignored=("embedding_type",))
    async with AsyncClient(server=server(api), model="m", embedding_type="int8") as client:
        with pytest.raises(InvalidResponse, match="it ignores 'embedding_type'; leave 'int8' out"):
            await client.embed(["a"])


async def test_ignored_dimensions_are_an_error() -> None:
    async with AsyncClient(server=server(EmbeddingApi()), model="m", dimensions=4) as client:
        with pytest.raises(InvalidResponse, match="length 8, not 4: it ignores 'dimensions'"):
            await client.embed(["a"])


async def test_server_that_does_not_listen_is_named() -> None:
    async with AsyncClient(server=Server("http://127.0.0.1:1", retry_seconds=0), model="m") as one:
        with pytest.raises(ServerUnavailable, match=r"http://127.0.0.1:1: no response"):
            await one.embed(["a"])


async def test_closed_connection_is_retried() -> None:
    def close(body: dict[str, Any]) -> None:
        if len(api.bodies) == 1:
            raise httpx.ReadError("closed")

    api = EmbeddingApi(first=close)
    np.testing.assert_array_equal(await embed(api, ["a"]), vectors(["a"]))
    assert len(api.bodies) == 2


async def test_rejected_input_is_an_error_with_its_position() -> None:
    with pytest.raises(RequestRejected, match=f"^input 700: this text is {BAD}$") as caught:
        await embed(EmbeddingApi(), [*TEXTS[:700], BAD, *TEXTS[701:]])
    assert (caught.value.index, caught.value.code) == (700, "invalid_value")


async def test_invalid_option_is_an_error_about_the_list() -> None:
    api = EmbeddingApi(first=lambda body: rejection("no such model", 404, "model"))
    with pytest.raises(RequestRejected, match=r"^no such model$"):
        await embed(api, TEXTS)


async def test_redirect_is_an_error() -> None:
    api = EmbeddingApi(first=lambda body: (307, {"location": "/elsewhere"}, {}))
    with pytest.raises(InvalidResponse, match="HTTP status 307"):
        await embed(api, ["a"])


@pytest.mark.parametrize("names_index", [True, False], ids=["named", "bisected"])
async def test_rejected_inputs_are_collected(names_index: bool) -> None:
    texts = [BAD if index % 100 == 50 else text for index, text in enumerate(TEXTS)]
    connection = Connection(server(EmbeddingApi(names_index=names_index)))
    found = await Sender(connection, EmbedOptions("m")).embed(texts, collect=True)
    await connection.close()
    assert sorted(found.rejected) == list(range(50, 1000, 100))
    for position, error in found.rejected.items():
        assert (error.index, error.message) == (position, f"this text is {BAD}")
    good = [index for index in range(1000) if index not in found.rejected]
    np.testing.assert_array_equal(found.vectors[good], vectors([texts[each] for each in good]))
    assert not found.vectors[sorted(found.rejected)].any()


async def test_request_that_is_too_large_is_halved() -> None:
    def first(body: dict[str, Any]) -> Reply | None:
        return rejection("too large", 413, None) if len(body["input"]) > 10 else None

    texts = TEXTS[:100]
    np.testing.assert_array_equal(await embed(EmbeddingApi(first=first), texts), vectors(texts))


async def test_vectors_of_another_length_are_an_error() -> None:
    connection = Connection(server(EmbeddingApi()))
    with pytest.raises(InvalidResponse, match="length 8 after vectors of length 4"):
        await Sender(connection, EmbedOptions("m"), width=4).embed(["a"])
    await connection.close()


async def test_model_is_described_while_lists_wait_for_their_turn() -> None:
    limit = Server("http://server", max_in_flight=1, transport=EmbeddingApi().transport())
    connection = Connection(limit)
    async with connection._limit.slot():
        assert (await connection.describe("m"))["id"] == "m"
    await connection.close()


async def test_model_is_described() -> None:
    connection = Connection(server(EmbeddingApi(model={"id": "m", "dimension": 8})))
    assert await connection.describe("a/m") == {"id": "m", "dimension": 8}
    await connection.close()


def test_sync_client_embeds_from_several_threads() -> None:
    api = EmbeddingApi()
    options = {"model": "m", "embedding_type": "int8"}
    with Client(server=server(api), **options) as client, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(client.embed, [TEXTS[:10], TEXTS[10:20], [], TEXTS[20:30]]))
    assert found[0].dtype == np.int8
    np.testing.assert_array_equal(np.concatenate([found[0], found[1]]), vectors(TEXTS[:20], "i1"))


def test_closed_sync_client_opens_new_connections() -> None:
    client = Client(server=server(EmbeddingApi()), model="m")
    for _ in range(2):
        np.testing.assert_array_equal(client.embed(["a"]), vectors(["a"]))
        client.close()


def test_sync_client_can_be_pickled() -> None:
    with EmbeddingApi().listening() as url, Client(url, model="m") as client:
        np.testing.assert_array_equal(client.embed(["a"]), vectors(["a"]))
        with pickle.loads(pickle.dumps(client)) as copy:
            np.testing.assert_array_equal(copy.embed(["b"]), vectors(["b"]))


async def test_sync_client_works_beside_a_running_event_loop() -> None:
    with Client(server=server(EmbeddingApi()), model="m") as client:
        found = await asyncio.to_thread(client.embed, ["a"])
    np.testing.assert_array_equal(found, vectors(["a"]))


async def test_time_in_the_queue_is_no_time_for_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def first(body: dict[str, Any]) -> Reply | None:
        nonlocal now
        now += 200.0
        return OVERLOADED if len(api.bodies) == 4 else None

    monkeypatch.setattr("triton_embed.client.connection.monotonic", lambda: now)
    monkeypatch.setattr("triton_embed.client.cutting.MAX_REQUEST_ROWS", 1)
    api = EmbeddingApi(first=first)
    texts = TEXTS[:6]
    transport = api.transport()

    async def handle(request: httpx.Request) -> httpx.Response:
        # All requests of the list are queued before the first response.
        await asyncio.sleep(0)
        return await transport.handle_async_request(request)

    busy = Server("http://server", "", 300.0, 1, transport=httpx.MockTransport(handle))
    async with AsyncClient(server=busy, model="m") as client:
        found = await client.embed(texts)
    np.testing.assert_array_equal(found, vectors(texts))


def test_closed_sync_client_ends_the_lists_of_other_threads() -> None:
    received, replied = threading.Event(), threading.Event()

    def first(body: dict[str, Any]) -> None:
        received.set()
        replied.wait(60)

    api = EmbeddingApi(first=first)
    with api.listening() as url, ThreadPoolExecutor(1) as pool:
        client = Client(url, model="m")
        embedded = pool.submit(client.embed, ["a"])
        received.wait()
        client.close()
        replied.set()
        with pytest.raises(CancelledError):
            embedded.result(60)
