"""KServe messages, in the form that Triton requires."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from testing.fake_triton import texts_of
from testing.jobs import make_job
from triton_embed.contract.options import InputType, Options, Truncate
from triton_embed.gateway.triton.messages import decode_response, encode_request


def response(**outputs: tuple[str, NDArray[Any]]) -> service_pb2.ModelInferResponse:
    message = service_pb2.ModelInferResponse()
    for name, (datatype, values) in outputs.items():
        message.outputs.add(name=name, datatype=datatype, shape=values.shape)
        message.raw_output_contents.append(values.tobytes())
    return message


def test_request_holds_the_inputs_as_one_column() -> None:
    request = encode_request(make_job(b"one", b"", "zwölf".encode()))
    (tensor,) = request.inputs
    assert (request.model_name, tensor.name, tensor.datatype) == ("m_direct", "text", "BYTES")
    assert list(tensor.shape) == [3, 1]
    assert texts_of(request) == [b"one", b"", "zwölf".encode()]
    assert not request.parameters


def test_request_holds_options_with_their_types() -> None:
    options = Options(
        input_type=InputType.QUERY, truncate=Truncate.END, dimensions=8, token_ids=True
    )
    parameters = encode_request(make_job(b"a", options=options)).parameters
    assert parameters["input_type"].string_param == "query"
    assert parameters["truncate"].string_param == "END"
    assert parameters["dimensions"].int64_param == 8
    assert parameters["token_ids"].bool_param is True


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [("FP32", np.float32), ("INT8", np.int8), ("UINT8", np.uint8)],
)
def test_response_keeps_vectors_and_their_type(datatype: str, dtype: type) -> None:
    vectors: NDArray[Any] = np.arange(6).reshape(2, 3).astype(dtype)
    counts = np.array([[4], [5]], np.int32)
    # In another order than in the configuration.
    batch = decode_response(response(token_count=("INT32", counts), embeddings=(datatype, vectors)))
    assert batch.vectors.dtype == dtype
    assert batch.vectors.tolist() == vectors.tolist()
    assert batch.vectors.flags.aligned
    assert batch.token_counts.tolist() == [4, 5]
    assert batch.tokens == 9
    assert batch[1:].vectors.tolist() == vectors[1:].tolist()


def test_response_of_the_wrong_size_is_an_error() -> None:
    broken = response(embeddings=("FP32", np.zeros((2, 3), np.float32)))
    broken.outputs[0].shape[0] = 3
    with pytest.raises(ValueError, match="reshape"):
        decode_response(broken)
