"""A Triton on loopback without models, whose responses a test defines."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from triton_embed.backends.tokenizer.padding import pack
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository.rendering import StepRuntime, render

Failure = tuple[grpc.StatusCode, str]
"""Status and details of a call that fails."""


@dataclass
class FakeModel:
    """One of Triton's models.

    Attributes:
        config: Its configuration.
        statistics: Its statistics.
    """

    config: model_config_pb2.ModelConfig
    statistics: service_pb2.ModelStatistics

    def count(self, inferences: int) -> None:
        """Set the counters to those after `inferences` inferences of 1 ms."""
        self.statistics.inference_count = self.statistics.execution_count = inferences
        self.statistics.inference_stats.success.count = inferences
        self.statistics.inference_stats.success.ns = inferences * 10**6


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves statistics, configurations and inferences over gRPC.

    The vector of an input consists of its length and its first byte.

    Attributes:
        address: ``127.0.0.1:PORT``, once it runs.
        models: The loaded models, by Triton's names.
        unloading: Names of models that have statistics, but no configuration any more.
        failure: Makes statistics and configurations fail.
        infer_failures: Failures of the next inferences, in order.
        config_requests: Names of the models whose configuration was requested.
        inferences: The inferences that were received, with their metadata.
        cancelled: Number of inferences that a client canceled.
        may_respond: Inferences are held until it is set; initially it is.
        received: Set by an inference.
    """

    def __init__(self) -> None:
        self.address = ""
        self.models: dict[str, FakeModel] = {}
        self.unloading: set[str] = set()
        self.failure: Failure | None = None
        self.infer_failures: list[Failure] = []
        self.config_requests: list[str] = []
        self.inferences: list[tuple[service_pb2.ModelInferRequest, dict[str, str]]] = []
        self.cancelled = 0
        self.may_respond = asyncio.Event()
        self.may_respond.set()
        self.received = asyncio.Event()

    def load(self, config: model_config_pb2.ModelConfig) -> FakeModel:
        """Add one of Triton's models, with counters at 1."""
        model = FakeModel(config, service_pb2.ModelStatistics(name=config.name))
        model.count(1)
        self.models[config.name] = model
        return model

    def load_ensemble(self, name: str, parameters: Mapping[str, str]) -> FakeModel:
        """Add an ensemble that was not exported by us."""
        config = model_config_pb2.ModelConfig(name=name, max_batch_size=4)
        config.ensemble_scheduling.SetInParent()
        for key, value in parameters.items():
            config.parameters[key].string_value = value
        return self.load(config)

    async def ModelStatistics(
        self, request: service_pb2.ModelStatisticsRequest, context: Any
    ) -> service_pb2.ModelStatisticsResponse:
        """Return the statistics of all models."""
        await self._fail(self.failure, context)
        return service_pb2.ModelStatisticsResponse(
            model_stats=[model.statistics for model in self.models.values()]
        )

    async def ModelConfig(
        self, request: service_pb2.ModelConfigRequest, context: Any
    ) -> service_pb2.ModelConfigResponse:
        """Return the configuration of one model."""
        self.config_requests.append(request.name)
        await self._fail(self.failure, context)
        model = self.models.get(request.name)
        if model is None or request.name in self.unloading:
            details = f"Request for unknown model: '{request.name}' is not found"
            await context.abort(grpc.StatusCode.NOT_FOUND, details)
        assert model
        return service_pb2.ModelConfigResponse(config=model.config)

    async def ModelInfer(
        self, request: service_pb2.ModelInferRequest, context: Any
    ) -> service_pb2.ModelInferResponse:
        """Return the vectors of the inputs."""
        self.inferences.append((request, dict(context.invocation_metadata())))
        self.received.set()
        try:
            await self.may_respond.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.infer_failures:
            await self._fail(self.infer_failures.pop(0), context)
        return response_to(request)

    async def _fail(self, failure: Failure | None, context: Any) -> None:
        if failure:
            await context.abort(*failure)


@dataclass
class FakeExport:
    """An exported model in the repository of a `FakeTriton`.

    Attributes:
        model_id: Its public id.
        ensembles: Whether it has its ensembles, or its steps only.
        exported_at: Time of the export, ISO 8601.
        spec: Fields of its spec that differ from the default.
    """

    model_id: str
    ensembles: bool = True
    exported_at: str = "2026-01-01T00:00:00Z"
    spec: dict[str, Any] = field(default_factory=dict)

    def load(self, triton: FakeTriton) -> None:
        """Load all of its Triton models."""
        fields = {"max_tokens": 8, "vocab_size": 9, "dimension": 2, **self.spec}
        configs = render(
            ModelSpec(model_id=self.model_id, **fields),
            exported_at=self.exported_at,
            max_batch_size=4,
            encoder=StepRuntime("onnxruntime"),
        )
        for config in configs.values():
            if self.ensembles or not config.HasField("ensemble_scheduling"):
                triton.load(config)


def triton_with(*model_ids: str) -> FakeTriton:
    """Return a Triton that serves models with these ids."""
    triton = FakeTriton()
    for model_id in model_ids:
        FakeExport(model_id).load(triton)
    return triton


def response_to(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    """Return the response of `FakeTriton` to an inference: a token is a byte."""
    texts = texts_of(request)
    vectors = np.array([(len(text), text[0]) for text in texts], np.float32)
    counts = np.array([[len(text)] for text in texts], np.int32)
    response = service_pb2.ModelInferResponse(model_name=request.model_name)
    if any(output.name == "token_ids" for output in request.outputs):
        result: tuple[str, str, NDArray[Any]] = (
            "token_ids",
            "INT32",
            pack([list(text) for text in texts])[0],
        )
    else:
        result = ("embeddings", "FP32", vectors)
    for name, datatype, values in (("token_count", "INT32", counts), result):
        response.outputs.add(name=name, datatype=datatype, shape=values.shape)
        response.raw_output_contents.append(values.tobytes())
    return response


def texts_of(request: service_pb2.ModelInferRequest) -> list[bytes]:
    """Return the elements of the only input, a BYTES tensor."""
    (data,) = request.raw_input_contents
    texts = []
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from("<I", data, position)
        position += 4
        texts.append(data[position : position + length])
        position += length
    return texts


@asynccontextmanager
async def running(triton: FakeTriton) -> AsyncIterator[FakeTriton]:
    """Serve `triton` while in the block; calls in progress are cut off at its end."""
    # As `serve` starts Triton: a client may send keepalive pings this often.
    options = [("grpc.http2.min_ping_interval_without_data_ms", 10_000)]
    server = grpc.aio.server(options=options)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    port = server.add_insecure_port(triton.address or "127.0.0.1:0")
    triton.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield triton
    finally:
        await server.stop(None)
