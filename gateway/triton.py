"""The gateway's connection to Triton: which models there are, and their embeddings."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from contract import names
from contract.errors import FROM_TRITON, EmbedError, InternalError, InvalidRequest
from contract.options import Options

logger = logging.getLogger("gateway")

DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "INT32": np.dtype("<i4"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
}

CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A restarted Triton must be found again soon; gRPC's default pause grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]

ENSEMBLE_PREFIX = re.compile(r"^in ensemble '[^']*', ")


@dataclass(frozen=True)
class Embedded:
    """What Triton answered for one chunk of inputs.

    Attributes:
        vectors: [n, d] in the dtype asked for.
        token_counts: Tokens of each input that the encoder saw, int32 [n].
    """

    vectors: NDArray[Any]
    token_counts: NDArray[np.int32]

    def __getitem__(self, part: slice) -> Embedded:
        """Return what was answered for some of the inputs."""
        return Embedded(self.vectors[part], self.token_counts[part])

    @property
    def tokens(self) -> int:
        """Tokens over all inputs."""
        return int(self.token_counts.sum())


class Triton:
    """A Triton server, over one gRPC channel.

    Must be made inside a running event loop.

    Args:
        url: ``host:port``.
        metadata: Returns the gRPC metadata to send along with an inference, from the caller's
            context.
    """

    def __init__(
        self, url: str, metadata: Callable[[], tuple[tuple[str, str], ...]] = tuple
    ) -> None:
        self.metadata = metadata
        self._channel = grpc.aio.insecure_channel(url, options=CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def statistics(self) -> list[service_pb2.ModelStatistics]:
        """Return the statistics of every model that is loaded.

        They also serve as the list of models: Triton's repository index would need the right to
        load models.

        Raises:
            EmbedError: Triton does not answer.
        """
        try:
            answer = await self._stub.ModelStatistics(service_pb2.ModelStatisticsRequest())
        except grpc.aio.AioRpcError as error:
            raise _translate(error) from error
        return list(answer.model_stats)

    async def config(self, name: str) -> model_config_pb2.ModelConfig | None:
        """Return the configuration of a model, or ``None`` if it is not loaded.

        Raises:
            EmbedError: Triton does not answer.
        """
        try:
            answer = await self._stub.ModelConfig(service_pb2.ModelConfigRequest(name=name))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise _translate(error) from error
        return answer.config

    async def embed(
        self,
        ensemble: str,
        inputs: Sequence[bytes],
        options: Options,
        metadata: tuple[tuple[str, str], ...],
    ) -> Embedded:
        """Embed `inputs` as one request.

        Args:
            ensemble: Triton's name of the ensemble to ask.
            inputs: Texts, or token ids, as bytes.
            options: The options of the request.
            metadata: To send along.

        Raises:
            EmbedError: Triton refused the request or could not answer it.
        """
        request = service_pb2.ModelInferRequest(model_name=ensemble)
        request.inputs.add(name=names.TEXT, datatype="BYTES", shape=[len(inputs), 1])
        request.raw_input_contents.append(
            b"".join(part for item in inputs for part in (struct.pack("<I", len(item)), item))
        )
        for name, value in options.to_parameters().items():
            _set(request.parameters[name], value)
        try:
            response = await self._stub.ModelInfer(request, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                logger.error("Triton: %s %s", error.code().name, error.details())
            raise _translate(error) from error
        tensors = {
            output.name: np.frombuffer(raw, DTYPES[output.datatype]).reshape(output.shape)
            for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        }
        return Embedded(tensors[names.EMBEDDINGS], tensors[names.TOKEN_COUNT].reshape(-1))


def _set(parameter: service_pb2.InferParameter, value: str | int | bool) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        parameter.int64_param = value
    else:
        parameter.string_param = value


def _translate(error: grpc.aio.AioRpcError) -> EmbedError:
    """Return our error for Triton's, without the ensemble's name that Triton puts before it."""
    kind = FROM_TRITON.get(error.code().name, InternalError)
    # What can be wrong with the options was checked before, so it must be the input.
    param = "input" if kind is InvalidRequest else None
    return kind(ENSEMBLE_PREFIX.sub("", error.details() or error.code().name), param=param)
