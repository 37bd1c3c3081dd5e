"""The Tritons behind one target, each with its own channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import grpc
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from triton_embed.gateway.triton.errors import UNKNOWN_MODEL
from triton_embed.gateway.triton.resolver import resolve

CALL_TIMEOUT_SECONDS = 30.0
"""Deadline in seconds of a request for statistics or a configuration: a Triton that takes longer is
treated as unreachable. Triton responds to both immediately, however busy it is."""

REMOVED_GRACE_SECONDS = 600.0
"""Time in seconds for inferences to finish at an address that DNS no longer reports: a Triton that
is being stopped is removed from DNS before it has finished them."""


class Server:
    """One Triton.

    Args:
        target: Its gRPC target, e.g. ``ipv4:10.0.0.7:8001``.
        channel: A channel to it.

    Attributes:
        address: `target` without the scheme.
        infer: The method ``ModelInfer``.
        closed: True once it accepts no further calls; calls in progress may still finish.
    """

    def __init__(self, target: str, channel: grpc.aio.Channel) -> None:
        self.address = target.partition(":")[2]
        self._channel = channel
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self.infer = self._stub.ModelInfer
        self.closed = False

    @property
    def connected(self) -> bool:
        """True while a connection is open."""
        return self._channel.get_state() is grpc.ChannelConnectivity.READY

    async def statistics(self) -> dict[str, service_pb2.ModelStatistics]:
        """Return the statistics of every loaded model, by name.

        They also serve as the list of models: Triton's repository index is for administrators.

        Raises:
            AioRpcError: Triton does not respond.
        """
        request = service_pb2.ModelStatisticsRequest()
        try:
            response = await self._stub.ModelStatistics(request, timeout=CALL_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError:
            # The whole request fails if a model is unloaded at this moment.
            response = await self._stub.ModelStatistics(request, timeout=CALL_TIMEOUT_SECONDS)
        return {item.name: item for item in response.model_stats}

    async def config(self, model: str) -> model_config_pb2.ModelConfig | None:
        """Return the configuration of a model, or ``None`` if it is not loaded.

        Raises:
            AioRpcError: Triton does not respond.
        """
        request = service_pb2.ModelConfigRequest(name=model)
        try:
            response = await self._stub.ModelConfig(request, timeout=CALL_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            if UNKNOWN_MODEL in (error.details() or ""):
                return None
            raise
        return response.config

    async def close(self, grace_seconds: float | None = None) -> None:
        """Close the channel, once its calls have finished or `grace_seconds` have passed."""
        self.closed = True
        await self._channel.close(grace_seconds)


class Servers:
    """The Tritons behind one target.

    Must be made inside a running event loop.

    Args:
        target: A gRPC target with any number of addresses.
        connect: Opens a channel to the target of one address.
    """

    def __init__(self, target: str, connect: Callable[[str], grpc.aio.Channel]) -> None:
        self._target = target
        self._connect = connect
        self._servers: dict[str, Server] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers.values())

    async def refresh(self) -> None:
        """Resolve the target again; keep the channels of addresses that remain.

        Raises:
            OSError: the target's name cannot be resolved now.
        """
        targets = await resolve(self._target)
        for target in self._servers.keys() - set(targets):
            closing = asyncio.ensure_future(self._servers.pop(target).close(REMOVED_GRACE_SECONDS))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        for target in targets:
            if target not in self._servers:
                self._servers[target] = Server(target, self._connect(target))

    async def close(self) -> None:
        """Close all channels immediately."""
        for closing in self._closing:
            closing.cancel()
        for server in self:
            await server.close()
