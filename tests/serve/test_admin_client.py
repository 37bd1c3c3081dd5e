from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from triton_embed.serve.admin_client import AdminClient
from triton_embed.serve.errors import TritonError

ADMIN_TOKEN = "secret"


class Servicer(services.GRPCInferenceServiceServicer):
    """Triton's gRPC API while ``m`` finishes its requests.

    Attributes:
        states: The state of ``m`` in each response, in order.
    """

    def __init__(self) -> None:
        self.states = ["UNLOADING", "UNLOADING", "UNAVAILABLE"]

    async def RepositoryIndex(
        self, request: messages.RepositoryIndexRequest, context: grpc.aio.ServicerContext
    ) -> messages.RepositoryIndexResponse:
        if dict(context.invocation_metadata()).get(TOKEN_HEADER) != ADMIN_TOKEN:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "This protocol is restricted")
        state = self.states.pop(0) if self.states else "READY"
        index = messages.RepositoryIndexResponse()
        index.models.add(name="m", state=state)
        index.models.add(name="other", state="READY")
        return index

    async def ModelConfig(
        self, request: messages.ModelConfigRequest, context: grpc.aio.ServicerContext
    ) -> messages.ModelConfigResponse:
        if request.name == "other":
            await context.abort(grpc.StatusCode.NOT_FOUND, "Request for unknown model")
        config = messages.ModelConfigResponse()
        config.config.name = request.name
        return config

    async def RepositoryModelLoad(
        self, request: messages.RepositoryModelLoadRequest, context: grpc.aio.ServicerContext
    ) -> messages.RepositoryModelLoadResponse:
        await context.abort(grpc.StatusCode.INTERNAL, f"failed to load '{request.model_name}'")


TOKEN_HEADER = "triton-grpc-protocol-triton-embed-admin"


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def address(servicer: Servicer) -> AsyncIterator[str]:
    server = grpc.aio.server()
    services.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def client(address: str) -> AsyncIterator[AdminClient]:
    client = AdminClient(address, ADMIN_TOKEN)
    yield client
    await client.close()


async def test_client_drains_a_model_until_it_is_unloaded(
    client: AdminClient, servicer: Servicer
) -> None:
    await client.drain(["m"])
    assert not servicer.states


async def test_client_omits_a_model_that_is_unloaded_after_the_listing(
    client: AdminClient, servicer: Servicer
) -> None:
    servicer.states.clear()
    assert set(await client.ready_configs()) == {"m"}


async def test_folder_whose_name_is_not_utf8_hides_no_ready_model() -> None:
    async def index(request: bytes, _: object) -> bytes:
        only_ready = messages.RepositoryIndexRequest.FromString(request).ready
        return b"" if only_ready else b"\n\x03\n\x01\xe9"

    server = grpc.aio.server()
    methods = {"RepositoryIndex": grpc.unary_unary_rpc_method_handler(index)}
    handler = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods)
    server.add_generic_rpc_handlers((handler,))
    client = AdminClient(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", ADMIN_TOKEN)
    await server.start()
    assert await client.ready_configs() == {}
    await client.drain(["m"])
    await client.close()
    await server.stop(None)


async def test_client_maps_errors_of_triton(client: AdminClient) -> None:
    with pytest.raises(TritonError, match="failed to load 'm'") as caught:
        await client.load("m")
    assert caught.value.status == "INTERNAL"


async def test_client_without_the_admin_token_is_rejected(address: str) -> None:
    client = AdminClient(address, "wrong")
    with pytest.raises(TritonError, match="restricted"):
        await client.ready_configs()
    await client.close()


async def test_client_without_a_server_reports_that_it_is_not_live() -> None:
    client = AdminClient("127.0.0.1:9", ADMIN_TOKEN)
    assert not await client.is_live()
    await client.close()
