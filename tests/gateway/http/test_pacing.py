from __future__ import annotations

import asyncio
from functools import partial

import pytest
from starlette.types import Receive, Scope, Send

from testing.http_server import exchange, responses, serving
from testing.waiting import eventually_async
from triton_embed.gateway.http.connection import LimitedConnection
from triton_embed.gateway.http.pacing import MAX_SLICE_BYTES, PacedConnection

REQUEST = b"GET /echo/1 HTTP/1.1\r\nhost: gateway\r\n\r\n"

POST = b"POST /echo/1 HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n"

LAST = b"GET /echo/1 HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n"


async def test_long_data_is_parsed_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    turns: list[int] = []
    parse = LimitedConnection.data_received

    def recording(connection: LimitedConnection, data: bytes) -> None:
        # Other connections have their turn between two slices.
        assert len(turns) == len(sizes)
        sizes.append(len(data))
        connection.loop.call_soon(turns.append, 1)
        parse(connection, data)

    monkeypatch.setattr(LimitedConnection, "data_received", recording)
    body = bytes(range(256)) * 1000
    (response,) = await exchange(POST + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert response.body == body
    assert max(sizes) <= MAX_SLICE_BYTES < len(body) < sum(sizes)


async def test_chunks_in_slices_are_complete() -> None:
    head = POST + b"transfer-encoding: chunked\r\n\r\n"
    (response,) = await exchange(head + b"1\r\na\r\n" * 30_000 + b"0\r\n\r\n")
    assert response.body == b"a" * 30_000


async def test_pipelined_requests_are_parsed_at_the_pace_of_the_responses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = longest = 0
    begin, complete = PacedConnection.on_message_begin, PacedConnection.on_response_complete

    def on_message_begin(connection: PacedConnection) -> None:
        nonlocal waiting, longest
        waiting += 1
        longest = max(longest, waiting)
        begin(connection)

    def on_response_complete(connection: PacedConnection) -> None:
        nonlocal waiting
        waiting -= 1
        complete(connection)

    monkeypatch.setattr(PacedConnection, "on_message_begin", on_message_begin)
    monkeypatch.setattr(PacedConnection, "on_response_complete", on_response_complete)
    count = 5000
    received = await exchange(REQUEST * (count - 1) + LAST)
    assert [response.status for response in received] == [200] * count
    assert longest <= 2 * MAX_SLICE_BYTES / len(REQUEST) < count / 4


async def test_no_data_is_received_while_requests_are_queued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections: list[PacedConnection] = []
    begin = PacedConnection.on_message_begin
    may_respond = asyncio.Semaphore(1)

    def on_message_begin(connection: PacedConnection) -> None:
        connections.append(connection)
        begin(connection)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await receive()
            await may_respond.acquire()
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    monkeypatch.setattr(PacedConnection, "on_message_begin", on_message_begin)
    async with serving(app) as connect:
        reader, writer = await connect()
        try:
            writer.write(REQUEST * 3)
            await reader.readuntil(b"\r\n\r\n")
            assert len(connections) == 3
            assert connections[0].transport.is_paused
            may_respond.release()
            await reader.readuntil(b"\r\n\r\n")
            await eventually_async(partial(is_receiving, connections[0]), message="reads again")
        finally:
            # The server ends after the last response.
            writer.close()
            for _ in range(3):
                may_respond.release()


async def is_receiving(connection: PacedConnection) -> bool:
    return not connection.transport.is_paused


async def test_end_of_a_half_closed_pipeline_gets_its_responses() -> None:
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(REQUEST * 2000)
        writer.write_eof()
        data = await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert len(responses(data)) == 2000
