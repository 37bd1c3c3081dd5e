"""Inference over gRPC: errors, repetition at another address, no cancellation of calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode

from testing.fake_triton import FakeTriton, running
from testing.jobs import make_job
from triton_embed.contract.errors import (
    ApiError,
    InternalError,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from triton_embed.contract.options import EmbeddingType, Options
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.scheduler import Scheduler
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.client import InferenceClient
from triton_embed.gateway.triton.model import ServedModel
from triton_embed.gateway.triton.servers import Server
from triton_embed.runtime.addresses import grpc_target
from triton_embed.runtime.channel import open_channel

GONE = (StatusCode.UNAVAILABLE, "Server exiting")
INCOMPLETE = (StatusCode.INVALID_ARGUMENT, "incomplete string data for inference input 'text'")
NOT_NOW = Unavailable("The model cannot serve the request now; try again soon.")
UNKNOWN = (StatusCode.NOT_FOUND, "Request for unknown model: 'm' is not found")


class FixedRoutes:
    """Has `MODEL` at the given addresses.

    Args:
        addresses: Addresses that have the model.
        everywhere: Whether there are no others.

    Attributes:
        gone: Whether the model is no longer served.
    """

    def __init__(self, addresses: Sequence[str], everywhere: bool) -> None:
        self._servers = [Server(f"ipv4:{item}", open_channel(item)) for item in addresses]
        self._everywhere = everywhere
        self.gone = False

    def servers(self, model: ServedModel) -> Sequence[Server]:
        return self._servers

    def is_everywhere(self, model: ServedModel) -> bool:
        return self._everywhere

    async def check(self, model: ServedModel) -> None:
        if self.gone:
            raise NotFound("The model does not exist.")

    async def close(self) -> None:
        for server in self._servers:
            await server.close()


@asynccontextmanager
async def client_of(
    *tritons: FakeTriton,
    only: Sequence[FakeTriton] | None = None,
    stale: bool = False,
    gone: bool = False,
) -> AsyncIterator[InferenceClient]:
    """Make a client of `tritons`; only `only` have the model; `stale`: the routes list all."""
    target = grpc_target(",".join(triton.address for triton in tritons))
    having = tritons if only is None else only
    routes = FixedRoutes([triton.address for triton in having], everywhere=stale or only is None)
    routes.gone = gone
    client = InferenceClient(open_channel(target), routes)
    try:
        yield client
    finally:
        await client.close()
        await routes.close()


async def embed(client: InferenceClient, *texts: bytes) -> EmbeddingBatch:
    return await client.embed(make_job(*(texts or [b"one", b"three"])))


async def test_vectors_come_back_in_order() -> None:
    async with running(FakeTriton()) as triton, client_of(triton) as client:
        batch = await embed(client, b"one", b"three")
    assert batch.vectors.tolist() == [[3, ord("o")], [5, ord("t")]]
    assert batch.token_counts.tolist() == [3, 5]


async def test_ensemble_is_the_shortest_for_the_options() -> None:
    async with running(FakeTriton()) as triton, client_of(triton) as client:
        await client.embed(make_job(b"a"))
        await client.embed(make_job(b"a", options=Options(embedding_type=EmbeddingType.INT8)))
    assert [request.model_name for request, _ in triton.inferences] == ["m_direct", "m"]


async def test_trace_headers_are_sent_as_metadata() -> None:
    async with running(FakeTriton()) as triton, client_of(triton) as client:
        await client.embed(make_job(b"a", trace=(("traceparent", "00-1-2-01"),)))
    assert triton.inferences[0][1]["traceparent"] == "00-1-2-01"


async def test_message_larger_than_grpcs_default_is_transported() -> None:
    async with running(FakeTriton()) as triton, client_of(triton) as client:
        # The response has 12 bytes per input: more than 4 MiB.
        batch = await client.embed(make_job(*[b"short"] * 400_000))
    assert batch.vectors.shape == (400_000, 2)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (
            (StatusCode.INVALID_ARGUMENT, "in ensemble 'm', wrong (input[2]) [invalid_value]"),
            InvalidRequest("wrong", param="input", index=2),
        ),
        (
            (StatusCode.INVALID_ARGUMENT, "unexpected shape for input 'text'"),
            NOT_NOW,
        ),
        (
            (StatusCode.INTERNAL, "in ensemble 'm', out of memory"),
            InternalError("Triton failed: in ensemble 'm', out of memory"),
        ),
        *(
            ((status, "why"), NOT_NOW)
            for status in (
                *(StatusCode.UNAVAILABLE, StatusCode.NOT_FOUND, StatusCode.RESOURCE_EXHAUSTED),
                *(StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNKNOWN),
            )
        ),
        ((StatusCode.INTERNAL, "Stub process 'm_0' is not healthy."), NOT_NOW),
    ],
)
async def test_status_becomes_an_error_of_the_api(
    failure: tuple[StatusCode, str], error: ApiError
) -> None:
    async with running(FakeTriton()) as triton, client_of(triton) as client:
        triton.infer_failures = [failure] * 2
        with pytest.raises(type(error)) as caught:
            await embed(client)
    assert caught.value.body() == error.body()


async def test_request_that_failed_for_a_batch_mate_is_repeated_once() -> None:
    async with running(FakeTriton()) as triton, client_of(triton) as client:
        triton.infer_failures = [INCOMPLETE]
        assert len((await embed(client)).vectors) == 2
        assert len(triton.inferences) == 2
        triton.infer_failures = [INCOMPLETE] * 100
        with pytest.raises(Unavailable):
            await embed(client)
        assert len(triton.inferences) == 4


@pytest.mark.parametrize("failure", [UNKNOWN, (StatusCode.UNAVAILABLE, UNKNOWN[1])])
async def test_model_that_was_removed_is_not_found(failure: tuple[StatusCode, str]) -> None:
    async with running(FakeTriton()) as triton, client_of(triton, gone=True) as client:
        triton.infer_failures = [failure] * 100
        with pytest.raises(NotFound):
            await embed(client)


async def test_missing_triton_is_unavailable() -> None:
    async with running(FakeTriton()) as triton:
        pass
    async with client_of(triton) as client:
        with pytest.raises(Unavailable) as caught:
            await embed(client)
    assert caught.value.retry_after_seconds == 1


async def test_calls_are_balanced_over_all_tritons() -> None:
    async with running(FakeTriton()) as one, running(FakeTriton()) as two:
        async with client_of(one, two) as client:
            for _ in range(20):
                await embed(client)
        # The first calls use the first open connection.
        assert min(len(one.inferences), len(two.inferences)) >= 5


async def test_calls_go_only_to_tritons_with_the_newest_export() -> None:
    async with running(FakeTriton()) as one, running(FakeTriton()) as two:
        async with client_of(one, two, only=[two]) as client:
            for _ in range(4):
                await embed(client)
        assert (len(one.inferences), len(two.inferences)) == (0, 4)


@pytest.mark.parametrize("failure", [GONE, UNKNOWN])
async def test_failed_call_is_repeated_at_another_address(failure: tuple[StatusCode, str]) -> None:
    async with running(FakeTriton()) as one, running(FakeTriton()) as two:
        async with client_of(one, two) as client:
            one.infer_failures = [failure] * 100
            for _ in range(10):
                assert len((await embed(client)).vectors) == 2
        assert len(two.inferences) == 10


async def test_unknown_model_is_repeated_at_the_only_address_that_has_it() -> None:
    async with running(FakeTriton()) as one, running(FakeTriton()) as two:
        one.infer_failures = [UNKNOWN] * 100
        async with client_of(one, two, only=[two], stale=True) as client:
            for _ in range(10):
                await embed(client)
        assert one.inferences and len(two.inferences) == 10


@pytest.mark.parametrize("everywhere", [True, False])
async def test_address_that_is_being_removed_gets_no_call(everywhere: bool) -> None:
    async with running(FakeTriton()) as one, running(FakeTriton()) as two:
        one.infer_failures = [GONE] * 100
        routes = FixedRoutes([two.address, one.address], everywhere)
        client = InferenceClient(open_channel(grpc_target(one.address)), routes)
        await routes.servers(make_job().model)[1].close(grace_seconds=600)
        for _ in range(4):
            await embed(client)
        await client.close()
        await routes.close()
    assert len(two.inferences) == 4


async def test_call_that_fails_everywhere_is_unavailable() -> None:
    async with running(FakeTriton()) as one, running(FakeTriton()) as two:
        one.infer_failures = two.infer_failures = [GONE] * 100
        async with client_of(one, two) as client:
            with pytest.raises(Unavailable):
                await embed(client)
        assert len(one.inferences) + len(two.inferences) == 3


@pytest.mark.parametrize(
    "failure",
    [
        (StatusCode.INVALID_ARGUMENT, "wrong [invalid_value]"),
        (StatusCode.RESOURCE_EXHAUSTED, "full"),
        (StatusCode.INTERNAL, "defect"),
    ],
)
async def test_call_that_would_fail_again_is_not_repeated(
    failure: tuple[StatusCode, str],
) -> None:
    async with running(FakeTriton()) as one, running(FakeTriton()) as two:
        one.infer_failures = two.infer_failures = [failure] * 100
        async with client_of(one, two) as client:
            with pytest.raises(ApiError):
                await embed(client)
        assert len(one.inferences) + len(two.inferences) == 1


async def test_canceled_caller_does_not_cancel_a_call_that_was_sent() -> None:
    triton = FakeTriton()
    triton.may_respond.clear()
    async with running(triton), client_of(triton) as client:
        scheduler = Scheduler(client, AdmissionController(1024, max_queue_seconds=60.0))
        call = asyncio.ensure_future(scheduler.embed(make_job(b"a")))
        await triton.received.wait()
        call.cancel()
        # A later call on the same connection: a cancellation would arrive before it.
        later = asyncio.ensure_future(embed(client))
        triton.may_respond.set()
        await later
        with pytest.raises(asyncio.CancelledError):
            await call
        assert triton.cancelled == 0


async def test_burst_is_served_to_the_last_call() -> None:
    async with running(FakeTriton()) as triton, client_of(triton) as client:
        texts = [b"x" * (1 + number) for number in range(600)]
        batches = await asyncio.gather(*(embed(client, text) for text in texts))
    assert [batch.vectors[0, 0] for batch in batches] == list(range(1, 601))
