"""Inference over gRPC: inputs in, vectors out, balanced over several Tritons."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from triton_embed.contract.errors import InvalidRequest, Unavailable
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.errors import Failure
from triton_embed.gateway.triton.job import EmbedJob, TraceHeaders
from triton_embed.gateway.triton.messages import decode_response, encode_request
from triton_embed.gateway.triton.model import ServedModel
from triton_embed.gateway.triton.servers import Server

logger = logging.getLogger("gateway")


class Routes(Protocol):
    """The addresses of models; implemented by the catalog."""

    def servers(self, model: ServedModel) -> Sequence[Server]:
        """Return the Tritons that serve `model`."""

    def is_everywhere(self, model: ServedModel) -> bool:
        """Return whether every address serves `model`."""

    async def check(self, model: ServedModel) -> None:
        """Raise ApiError if `model`, which a Triton did not know, is no longer served."""


class InferenceClient:
    """Embeds with the models of one Triton, or of several that serve the same repository.

    Concurrent inferences are not limited: all are streams of one connection, and admission limits
    the inputs in flight. Must be made inside a running event loop.

    Args:
        channel: A channel to all of the Tritons, which balances the calls.
        routes: The addresses of models.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        routes: Routes,
    ) -> None:
        self._channel = channel
        self._balanced = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        self._routes = routes
        self._turn = 0

    async def close(self) -> None:
        """Close the connections immediately."""
        await self._channel.close(None)

    async def embed(self, job: EmbedJob) -> EmbeddingBatch:
        """Embed all inputs of `job` as one request.

        The caller must not cancel this: a canceled call can crash Triton 2.51
        (https://github.com/triton-inference-server/server/issues/7368).

        Raises:
            ApiError: Triton rejected the request or could not process it.
        """
        return decode_response(await self._infer(job.model, encode_request(job), job.trace))

    async def _infer(
        self, model: ServedModel, request: service_pb2.ModelInferRequest, trace: TraceHeaders
    ) -> service_pb2.ModelInferResponse:
        try:
            return await self._first_method(model)(request, metadata=trace)
        except grpc.aio.AioRpcError as error:
            failure = Failure(error.code(), error.details() or "")
        # Removed addresses are closed before the catalog's next refresh.
        others = (item for item in self._others(model, failure) if not item.closed)
        for _, server in zip(range(failure.max_repeats), others, strict=False):
            if not failure.max_repeats:
                break
            logger.info("repeating an inference at %s: %s", server.address, failure)
            try:
                return await server.infer(request, metadata=trace)
            except grpc.aio.AioRpcError as error:
                failure = Failure(error.code(), error.details() or "")
        if failure.is_unknown_model:
            await self._routes.check(model)
        mapped = failure.api_error()
        if not isinstance(mapped, InvalidRequest):
            level = logging.WARNING if isinstance(mapped, Unavailable) else logging.ERROR
            logger.log(level, "Triton: %s", failure)
        raise mapped from None

    def _first_method(self, model: ServedModel) -> Callable[..., Any]:
        if self._routes.is_everywhere(model):
            return self._balanced
        servers = [server for server in self._routes.servers(model) if not server.closed]
        if not servers:
            return self._balanced
        self._turn += 1
        return servers[self._turn % len(servers)].infer

    def _others(self, model: ServedModel, failure: Failure) -> Sequence[Server]:
        """Return the addresses for a repetition, those with an open connection first."""
        servers = self._routes.servers(model)
        if not servers or (len(servers) == 1 and not failure.may_succeed_immediately):
            return ()
        self._turn += 1
        turn = self._turn % len(servers)
        return sorted([*servers[turn:], *servers[:turn]], key=lambda server: not server.connected)
