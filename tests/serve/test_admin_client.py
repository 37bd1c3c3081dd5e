from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from triton_embed.serve.admin_client import AdminClient
from triton_embed.serve.errors import TritonError
from triton_embed.serve.repository_api import AdminEndpoint, RepositoryApi


class Servicer(services.GRPCInferenceServiceServicer):
    """Triton's gRPC API: `other` is being unloaded, so that the first list of models fails."""

    def __init__(self) -> None:
        self._lists = 0

    async def ModelStatistics(
        self, request: messages.ModelStatisticsRequest, context: grpc.aio.ServicerContext
    ) -> messages.ModelStatisticsResponse:
        self._lists += 1
        if self._lists == 1:
            await context.abort(grpc.StatusCode.NOT_FOUND, "Request for unknown model")
        names = ("m", "other")
        return messages.ModelStatisticsResponse(
            model_stats=[messages.ModelStatistics(name=name) for name in names]
        )

    async def ModelConfig(
        self, request: messages.ModelConfigRequest, context: grpc.aio.ServicerContext
    ) -> messages.ModelConfigResponse:
        if request.name == "other":
            await context.abort(grpc.StatusCode.NOT_FOUND, "Request for unknown model")
        config = messages.ModelConfigResponse()
        config.config.name = request.name
        return config

    async def ModelInfer(
        self, request: messages.ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> messages.ModelInferResponse:
        await context.abort(grpc.StatusCode.INTERNAL, f"'{request.model_name}' is not healthy")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AdminClient]:
    server = grpc.aio.server()
    services.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = AdminClient(f"127.0.0.1:{port}", AdminEndpoint(tmp_path / "socket"))
    yield client
    await client.close()
    await server.stop(None)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The state of ``m`` in each list of models, in order; then it is ready."""
    states = ["UNLOADING", "UNLOADING", "UNAVAILABLE"]

    async def listed(_: RepositoryApi) -> dict[str, str]:
        return {"m": states.pop(0) if states else "READY", "other": "READY"}

    monkeypatch.setattr(RepositoryApi, "states", listed)
    return states


async def test_client_drains_a_model_until_it_is_unloaded(
    client: AdminClient, states: list[str]
) -> None:
    await client.drain(["m"])
    assert not states


async def test_client_omits_a_model_that_is_unloaded_while_it_is_listed(
    client: AdminClient,
) -> None:
    assert set(await client.ready_configs()) == {"m"}


async def test_client_maps_errors_of_grpc(client: AdminClient) -> None:
    with pytest.raises(TritonError, match="'m' is not healthy") as caught:
        await client.infer("m", [])
    assert caught.value.status == "INTERNAL"


async def test_client_without_a_server_reports_that_it_is_not_live(tmp_path: Path) -> None:
    client = AdminClient("127.0.0.1:9", AdminEndpoint(tmp_path / "socket"))
    assert not await client.is_live()
    await client.close()
