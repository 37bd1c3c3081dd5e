"""`gateway.triton`: what Triton's answers become, and how much it is asked at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from testing.loopback import Conversation, Server, listening, ok, read_request
from triton_embed.contract.errors import (
    ApiError,
    InternalError,
    Unavailable,
)
from triton_embed.contract.options import Options
from triton_embed.gateway.triton.client import MAX_INFERENCES, EmbeddingBatch, InferenceClient

VECTORS = np.arange(6, dtype="<f4").reshape(2, 3)
COUNTS = np.array([[4], [5]], dtype="<i4")


def inference() -> bytes:
    """Return Triton's answer with `VECTORS` and `COUNTS`; its JSON has an odd length."""
    tensors = {"embeddings": ("FP32", VECTORS), "token_count": ("INT32", COUNTS)}
    outputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": value.shape,
            "parameters": {"binary_data_size": value.nbytes},
        }
        for name, (datatype, value) in tensors.items()
    ]
    head = json.dumps({"outputs": outputs}).encode()
    head += b" " * (1 - len(head) % 2)
    body = head + VECTORS.tobytes() + COUNTS.tobytes()
    return ok(body, f"Inference-Header-Content-Length: {len(head)}")


@asynccontextmanager
async def triton(conversation: Conversation) -> AsyncIterator[tuple[Server, InferenceClient]]:
    async with listening(conversation) as server:
        asked = InferenceClient(server.address)
        yield server, asked
        asked.close()


async def embed(asked: InferenceClient) -> EmbeddingBatch:
    return await asked.embed("m", [b"one", b"two"], Options(), ())


async def test_tensors_come_out_as_they_went_in() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(inference())

    async with triton(answer) as (_, asked):
        embedded = await embed(asked)
    assert np.array_equal(embedded.vectors, VECTORS)
    assert embedded.vectors.flags.aligned
    assert embedded.token_counts.tolist() == [4, 5]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error":"no such shape"}', InternalError("no such shape")),
        (404, b'{"error":"unknown model"}', Unavailable("unknown model")),
        (503, b'{"error":"not ready"}', Unavailable("not ready")),
        (500, b"<html>", InternalError("Triton answered with status 500")),
    ],
)
async def test_refusals_become_errors_of_ours(status: int, body: bytes, error: ApiError) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ok(body).replace(b"200 OK", b"%d No" % status))

    async with triton(refuse) as (_, asked):
        with pytest.raises(type(error)) as caught:
            await embed(asked)
    assert caught.value.body() == error.body()


async def test_a_triton_that_is_gone_is_unavailable() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with triton(hang_up) as (_, asked):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await embed(asked)


async def test_a_model_unloaded_while_triton_counts_does_not_hide_the_others() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        refusal = ok(b'{"error":"unknown model: \'m\' version 1 is not at ready state"}')
        writer.write(refusal.replace(b"200 OK", b"503 No"))
        await read_request(reader)
        writer.write(ok(b'{"model_stats":[{"name":"other"}]}'))

    async with triton(answer) as (_, asked):
        assert await asked.statistics() == [{"name": "other"}]


async def test_a_burst_is_asked_for_over_so_many_connections_and_answered_to_the_last() -> None:
    full, going = asyncio.Event(), asyncio.Event()
    waiting = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        while await read_request(reader):
            waiting += 1
            if waiting == MAX_INFERENCES:
                full.set()
            await going.wait()
            writer.write(inference())

    async with triton(answer) as (server, asked):
        burst = asyncio.gather(*(embed(asked) for _ in range(MAX_INFERENCES + 50)))
        await full.wait()
        going.set()
        assert len(await burst) == MAX_INFERENCES + 50
        assert server.connections == MAX_INFERENCES


async def test_a_model_that_is_unloaded_just_then_has_no_configuration() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ok(b'{"error":"unknown model"}').replace(b"200 OK", b"404 No"))

    async with triton(answer) as (_, asked):
        assert await asked.config("m") is None
