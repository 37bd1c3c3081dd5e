"""KServe messages of one inference: inputs as BYTES, vectors without a copy."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from triton_embed.contract import tensors
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob

DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "INT32": np.dtype("<i4"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
}
"""Element types of the tensors that our models return, by KServe's names."""

LENGTH = struct.Struct("<I")
"""Precedes each element of a BYTES tensor in ``raw_input_contents``."""


def encode_request(job: EmbedJob) -> service_pb2.ModelInferRequest:
    """Return the request that embeds all inputs of `job`."""
    triton_name = job.model.triton_name(job.options, has_images=job.has_images)
    request = service_pb2.ModelInferRequest(model_name=triton_name)
    for name, value in job.options.to_parameters().items():
        parameter = request.parameters[name]
        if isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int):
            parameter.int64_param = value
        else:
            parameter.string_param = value
    if job.options.tokenize_only:
        request.outputs.add(name=tensors.TOKEN_IDS)
        request.outputs.add(name=tensors.TOKEN_COUNT)
    _add(request, tensors.TEXT, [item.data for item in job.inputs])
    if job.has_images:
        _add(request, tensors.MODALITY, [item.kind.value.encode() for item in job.inputs])
    return request


def _add(request: service_pb2.ModelInferRequest, name: str, items: Sequence[bytes]) -> None:
    """Add the input `name`, BYTES [n, 1]."""
    request.inputs.add(name=name, datatype="BYTES", shape=[len(items), 1])
    request.raw_input_contents.append(
        b"".join(part for item in items for part in (LENGTH.pack(len(item)), item))
    )


def decode_response(response: service_pb2.ModelInferResponse) -> EmbeddingBatch:
    """Return the vectors, or token ids, and the token counts of a response.

    Raises:
        KeyError: an output is missing or of an unknown type.
        ValueError: an output's size does not fit its shape.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        flat = np.frombuffer(raw, DTYPES[output.datatype])
        arrays[output.name] = flat.reshape(output.shape)
    counts = arrays[tensors.TOKEN_COUNT].reshape(-1)
    if tensors.TOKEN_IDS in arrays:
        return EmbeddingBatch(_unpacked(arrays[tensors.TOKEN_IDS], counts), counts)
    return EmbeddingBatch(arrays[tensors.EMBEDDINGS], counts)


def _unpacked(token_ids: NDArray[np.int32], counts: NDArray[np.int32]) -> NDArray[np.object_]:
    """Return the ids of each text, from ids that follow one another without padding."""
    rows = np.empty(len(counts), np.object_)
    ends = counts.cumsum().tolist()
    flat = token_ids.reshape(-1)
    for index, (end, count) in enumerate(zip(ends, counts.tolist(), strict=True)):
        rows[index] = flat[end - count : end]
    return rows
