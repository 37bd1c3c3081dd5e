from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from testing.ports import free_ports
from testing.waiting import eventually_async
from triton_embed.contract.status import ModelState, PublishedModel, PublishedState
from triton_embed.serve.errors import ServeError
from triton_embed.serve.status_board import StatusBoard
from triton_embed.serve.status_server import serving

READY = PublishedModel("a", ModelState.READY, "2026-01-01T00:00:00Z")
LOADING = PublishedModel("a", ModelState.LOADING, reason="the process of a_encoder has ended")


@pytest.fixture
def board() -> StatusBoard:
    return StatusBoard()


@pytest.fixture
async def client(board: StatusBoard) -> AsyncIterator[httpx.AsyncClient]:
    (port,) = free_ports(1)
    async with (
        serving(board, "127.0.0.1", port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        yield client


async def waiting(board: StatusBoard) -> None:
    """Wait until a long poll waits."""

    async def is_waiting() -> bool:
        return board.waiting > 0

    await eventually_async(is_waiting, message="a long poll waits")


async def test_status_is_the_published_state(board: StatusBoard, client: httpx.AsyncClient) -> None:
    board.publish([READY])
    response = await client.get("/v1/status")
    assert response.headers["content-type"].startswith("application/json")
    assert PublishedState.from_json(response.content) == board.state


async def test_status_after_a_generation_is_the_next_one(
    board: StatusBoard, client: httpx.AsyncClient
) -> None:
    generation = board.state.generation
    request = asyncio.ensure_future(client.get(f"/v1/status?after={generation}"))
    await waiting(board)
    board.publish([LOADING])
    assert PublishedState.from_json((await request).content).models == (LOADING,)


async def test_malformed_generation_is_rejected(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/status?after=x")
    assert response.status_code == 400
    assert response.text == "'after' must be an integer, the last known generation"


async def test_health_is_ready_while_a_model_is_ready(
    board: StatusBoard, client: httpx.AsyncClient
) -> None:
    for models, ready in (([LOADING], 503), ([READY], 200)):
        board.publish(models)
        assert (await client.get("/v1/health/ready")).status_code == ready
        assert (await client.get("/v1/health/live")).status_code == 200


async def test_metrics_have_restarts_and_states(
    board: StatusBoard, client: httpx.AsyncClient
) -> None:
    board.publish([READY])
    board.expect_restarts(["triton", "gateway"], ["a_encoder", "b_encoder"])
    board.process_restarts["triton"] += 2
    board.step_reloads["a_encoder"] += 1
    board.expect_restarts((), ["a_encoder"])
    lines = (await client.get("/metrics")).text.splitlines()
    assert 'triton_embed_process_restarts_total{process="triton"} 2.0' in lines
    assert 'triton_embed_process_restarts_total{process="gateway"} 0.0' in lines
    assert 'triton_embed_step_reloads_total{step="a_encoder"} 1.0' in lines
    assert 'triton_embed_step_reloads_total{step="b_encoder"} 0.0' in lines
    assert any(line.startswith("triton_embed_memory_used_bytes ") for line in lines)
    assert 'triton_embed_model_state{model="a",state="READY"} 1.0' in lines
    assert 'triton_embed_model_state{model="a",state="FAILED"} 0.0' in lines


async def test_status_is_read_only(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/status")).status_code == 405


async def test_open_long_poll_does_not_delay_the_stop(board: StatusBoard) -> None:
    (port,) = free_ports(1)
    async with httpx.AsyncClient(timeout=60) as client:
        async with serving(board, "127.0.0.1", port):
            url = f"http://127.0.0.1:{port}/v1/status?after={board.state.generation}"
            request = asyncio.ensure_future(client.get(url))
            await waiting(board)
        assert (await request).status_code == 200


async def test_taken_port_is_an_error_that_names_the_option(board: StatusBoard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"port {port} .* --status-port"):
            async with serving(board, "127.0.0.1", port):
                pass


@pytest.mark.parametrize("head", [b"\x16\x03\x01\r\n\r\n", b"GET /" + b"a" * 100_000])
async def test_malformed_request_is_not_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, head: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(head)
    assert b" 400 " in await reader.readline()
    writer.close()
    assert not caplog.text
