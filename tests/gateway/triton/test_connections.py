"""`gateway.connections`: connections are kept, and no answer is lost or mistaken for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from testing.loopback import Conversation, Server, listening, ok, read_request
from triton_embed.gateway.triton.connections import Connections


@asynccontextmanager
async def running(conversation: Conversation) -> AsyncIterator[tuple[Server, Connections]]:
    async with listening(conversation) as server:
        connections = Connections(server.address)
        yield server, connections
        connections.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while body := await read_request(reader):
        writer.write(ok(body))


async def echo_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ok(await read_request(reader)))


async def echo_once_and_say_so(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ok(await read_request(reader), "Connection: close"))


async def test_one_after_the_other_goes_over_one_connection() -> None:
    async with running(echo) as (server, connections):
        for body in (b"one", b"two", b"three"):
            assert (await connections.ask("POST", "/", body=body)).body == body
        assert server.connections == 1


async def test_side_by_side_each_gets_its_own_answer() -> None:
    bodies = [b"%d" % number * (1 + 100_000 * number) for number in range(1, 6)]
    async with running(echo) as (server, connections):
        answers = await asyncio.gather(
            *(connections.ask("POST", "/", body=body) for body in bodies)
        )
        assert [answer.body for answer in answers] == bodies
        assert server.connections == len(bodies)


@pytest.mark.parametrize("conversation", [echo_once, echo_once_and_say_so])
async def test_a_server_that_closes_its_connections_is_asked_over_new_ones(
    conversation: Conversation,
) -> None:
    async with running(conversation) as (server, connections):
        for body in (b"one", b"two", b"three"):
            assert (await connections.ask("POST", "/", body=body)).body == body
        assert server.connections == 3


async def test_status_and_headers_are_told() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nX-Why: so\r\nContent-Length: 2\r\n\r\nno")

    async with running(refuse) as (_, connections):
        answer = await connections.ask("POST", "/", body=b"question")
        assert (answer.status, answer.headers["x-why"], answer.body) == (400, "so", b"no")


async def test_an_answer_that_breaks_off_is_an_error_and_not_asked_for_again() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(await read_request(reader)))
        await read_request(reader)
        writer.write(ok(b"half of it")[:-5])

    async with running(break_off) as (server, connections):
        await connections.ask("POST", "/", body=b"one")
        with pytest.raises(ConnectionError):
            await connections.ask("POST", "/", body=b"two")
        assert server.connections == 1


async def test_what_is_not_http_is_an_error() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        await read_request(reader)

    async with running(babble) as (_, connections):
        with pytest.raises(OSError):
            await connections.ask("POST", "/", body=b"question")


async def test_without_a_server_there_is_an_error() -> None:
    async with running(echo) as (_, connections):
        pass
    with pytest.raises(OSError):
        await connections.ask("GET", "/")


async def test_who_is_cancelled_does_not_leave_his_answer_to_the_next() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while body := await read_request(reader):
            if body == b"slow":
                asked.set()
                await answer.wait()
            writer.write(ok(body))

    async with running(slow) as (_, connections):
        asking = asyncio.ensure_future(connections.ask("POST", "/", body=b"slow"))
        await asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        answer.set()
        assert (await connections.ask("POST", "/", body=b"next")).body == b"next"


async def test_who_is_cancelled_hangs_up() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
        gone.set()

    async with running(listen) as (_, connections):
        asking = asyncio.ensure_future(connections.ask("POST", "/", body=b"question"))
        await asked.wait()
        asking.cancel()
        await asyncio.wait_for(gone.wait(), 10)


async def test_an_ipv6_address_stands_in_brackets() -> None:
    async with listening(echo) as server:
        host, _, port = server.address.rpartition(":")
        connections = Connections(f"[{host}]:{port}")
        assert (await connections.ask("POST", "/", body=b"question")).body == b"question"
        connections.close()
