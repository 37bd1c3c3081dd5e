"""NIM's gRPC API, served by Triton without the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc
from grpc import RpcError, StatusCode, insecure_channel
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from testing.checkpoints import tiny_checkpoint
from testing.server import PATIENT, RunningServer, infer
from triton_embed.export.exporter import export
from triton_embed.export.request import ExportRequest

ID = "Tests/Asymmetric_1.0"
NAME = "tests_asymmetric_1_0"
CODES = {
    "context_length_exceeded",
    "foreign_token_ids",
    "invalid_value",
    "missing_required_parameter",
    "unsupported_parameter",
}


@pytest.fixture(scope="module")
def asymmetric(
    tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path
) -> Iterator[RunningServer]:
    """A service with one asymmetric Matryoshka model of 32 dimensions and 64 tokens.

    Its other name is ``Second/Name``.
    """
    folder = tmp_path_factory.mktemp("asymmetric")
    prompts = {"query": "query: ", "passage": "passage: "}
    checkpoint = tiny_checkpoint(folder / "checkpoint", minilm_folder, prompts=prompts)
    export(
        ExportRequest(
            str(checkpoint), folder / "repository", model_id=ID, overrides={"matryoshka": ()}
        )
    )
    names = ("--served-model-name", f"{ID},Second/Name")
    with RunningServer(folder / "repository", names, environment=PATIENT) as running:
        yield running


def bytes_input(name: str, values: Sequence[str]) -> grpc.InferInput:
    tensor = grpc.InferInput(name, [len(values), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[value.encode()] for value in values], dtype=np.object_))
    return tensor


@dataclass(frozen=True)
class InferTensor:
    """An input that `tritonclient` would not send: shape and contents may contradict."""

    name: str
    datatype: str
    shape: list[int]
    contents: bytes


def step_error(service: RunningServer, step: str, *tensors: InferTensor) -> str:
    """Return the message with which `step` rejects `tensors` as INVALID_ARGUMENT."""
    request = service_pb2.ModelInferRequest(model_name=f"{NAME}_{step}")
    for tensor in tensors:
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        request.raw_input_contents.append(tensor.contents)
    with insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(RpcError) as caught:
            stub.ModelInfer(request)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    return str(caught.value.details())


def rejection(service: RunningServer, texts: Sequence[str], **parameters: Any) -> str:
    with pytest.raises(InferenceServerException) as caught:
        infer(service.triton(), NAME, texts, **parameters)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    message = str(caught.value.message()).removeprefix(f"in ensemble '{NAME}', ")
    sentence, _, code = message.rpartition(" [")
    assert code.removesuffix("]") in CODES
    return sentence


def test_inputs_and_outputs_are_those_of_nim(asymmetric: RunningServer) -> None:
    metadata = asymmetric.triton().get_model_metadata(NAME)
    assert {(item.name, item.datatype, tuple(item.shape)) for item in metadata.inputs} == {
        ("text", "BYTES", (-1, 1)),
        ("modality", "BYTES", (-1, 1)),
    }
    assert {(item.name, item.datatype) for item in metadata.outputs} == {
        ("token_count", "INT32"),
        ("embeddings", "FP32"),
    }
    assert asymmetric.triton().get_model_config(NAME).config.max_batch_size == 256


def test_case_preserving_name_reaches_the_model(asymmetric: RunningServer) -> None:
    parameters = {"input_type": "query"}
    preserved, _ = infer(asymmetric.triton(), "Tests_Asymmetric_1_0", ["a"], **parameters)
    lowercase, _ = infer(asymmetric.triton(), NAME, ["a"], **parameters)
    assert np.abs(preserved - lowercase).max() < 1e-6


def test_direct_ensemble_returns_the_same_vectors(asymmetric: RunningServer) -> None:
    texts = ["a", "two words"]
    vectors, tokens = infer(asymmetric.triton(), NAME, texts, input_type="query")
    direct, direct_tokens = infer(asymmetric.triton(), f"{NAME}_direct", texts, input_type="query")
    assert np.abs(vectors - direct).max() < 1e-6
    assert np.array_equal(tokens, direct_tokens)


@pytest.mark.parametrize("modality", [None, ["text", "text"], ["TEXT", ""]])
def test_modality_is_optional(asymmetric: RunningServer, modality: list[str] | None) -> None:
    inputs = [bytes_input("text", ["a", "b"])]
    if modality:
        inputs.append(bytes_input("modality", modality))
    result = asymmetric.triton().infer(NAME, inputs, parameters={"input_type": "query"})
    assert result.as_numpy("embeddings").shape == (2, 32)
    assert result.as_numpy("token_count").ravel().tolist() == [5, 5]


def test_parameters_are_case_insensitive(asymmetric: RunningServer) -> None:
    long = "word " * 100
    upper, tokens = infer(
        asymmetric.triton(), NAME, [long], input_type="PASSAGE", truncate="End", dimensions="8"
    )
    lower, _ = infer(
        asymmetric.triton(), NAME, [long], input_type="passage", truncate="END", dimensions=8
    )
    assert upper.shape == lower.shape == (1, 8)
    assert np.abs(upper - lower).max() < 1e-6
    assert tokens.tolist() == [[64]]


@pytest.mark.parametrize(
    ("embedding_type", "dtype", "width"),
    [
        ("float", np.float32, 32),
        ("INT8", np.int8, 32),
        ("uint8", np.uint8, 32),
        ("binary", np.int8, 4),
        ("ubinary", np.uint8, 4),
    ],
)
def test_embedding_type_has_its_dtype(
    asymmetric: RunningServer, embedding_type: str, dtype: type, width: int
) -> None:
    vectors, _ = infer(
        asymmetric.triton(), NAME, ["a"], input_type="query", embedding_type=embedding_type
    )
    assert vectors.dtype == dtype
    assert vectors.shape == (1, width)


@pytest.mark.parametrize("name", ["second_name", "Second_Name"])
def test_alias_returns_the_vectors_of_its_model(asymmetric: RunningServer, name: str) -> None:
    vectors, _ = infer(asymmetric.triton(), name, ["a"], input_type="query")
    expected, _ = infer(asymmetric.triton(), NAME, ["a"], input_type="query")
    assert np.array_equal(vectors, expected)
    assert np.array_equal(asymmetric.vectors("second/NAME-query", ["a"]), expected)
    assert not asymmetric.logged("Failed to set config")


def test_own_dimension_may_be_combined_with_an_embedding_type(asymmetric: RunningServer) -> None:
    options = {"input_type": "query", "embedding_type": "ubinary"}
    own, _ = infer(asymmetric.triton(), NAME, ["a"], dimensions=32, **options)
    expected, _ = infer(asymmetric.triton(), NAME, ["a"], **options)
    assert np.array_equal(own, expected)


@pytest.mark.parametrize(
    ("text", "parameters", "message"),
    [
        ("a", {}, "'input_type' parameter is required for asymmetric models"),
        (
            "word " * 100,
            {"input_type": "query"},
            "Input length 104 exceeds maximum allowed token size 64",
        ),
        (
            "a",
            {"input_type": "query", "dimensions": 33},
            "'dimensions' must be between 1 and 32, not 33.",
        ),
        ("", {"input_type": "query"}, "'input' must not be an empty string"),
        (
            "a",
            {"input_type": "query", "truncate": "x"},
            "'truncate': input should be 'NONE', 'START' or 'END', not 'x'",
        ),
        (
            "data:image/png;base64,AAAA",
            {"input_type": "query"},
            "This model does not support modality 'image'",
        ),
        (
            "\x05\0\0\0",
            {"input_type": "query", "token_ids": True},
            "'input': the token array begins with [5], but this model's texts begin with [101]",
        ),
        (
            "a",
            {"input_type": "query", "tokenize_only": True},
            "'tokenize_only' excludes vectors: send the request to the tokenizer step",
        ),
    ],
)
def test_invalid_request_is_rejected_with_the_message_of_http(
    asymmetric: RunningServer, text: str, parameters: dict[str, Any], message: str
) -> None:
    assert rejection(asymmetric, [text], **parameters).startswith(message)


@pytest.mark.parametrize("width", [0, 1, 31, 33, 2**62, 2**62 + 1])
def test_vectors_of_another_dimension_are_rejected_by_triton(
    asymmetric: RunningServer, width: int
) -> None:
    tensor = InferTensor(
        name="embeddings",
        datatype="FP32",
        shape=[1, width],
        # The size in bytes, as Triton 2.51 computes it in 64 bits.
        contents=b"\0" * (4 * width % 2**64),
    )
    error = step_error(asymmetric, "postprocess", tensor)
    assert "unexpected shape for input 'embeddings'" in error


def test_row_without_token_ids_is_rejected_alone(asymmetric: RunningServer) -> None:
    ids = InferTensor(name="token_ids", datatype="INT32", shape=[1, 0], contents=b"")
    length = InferTensor(name="length", datatype="INT32", shape=[1, 1], contents=b"\1\0\0\0")
    before, _ = infer(asymmetric.triton(), NAME, ["a"], input_type="query")
    with ThreadPoolExecutor(8) as pool:
        errors = [pool.submit(step_error, asymmetric, "encoder", ids, length) for _ in range(40)]
        texts = [
            pool.submit(infer, asymmetric.triton(), NAME, ["a"], input_type="query")
            for _ in range(40)
        ]
        for error in errors:
            assert "'token_ids' of shape [1, 0] is empty" in error.result()
        for text in texts:
            assert np.abs(text.result()[0] - before).max() < 1e-5


def test_token_count_alone_runs_no_encoder(asymmetric: RunningServer) -> None:
    def executions() -> int:
        statistics = asymmetric.triton().get_inference_statistics(f"{NAME}_encoder")
        return int(statistics.model_stats[0].execution_count)

    def count() -> list[int]:
        result = asymmetric.triton().infer(
            NAME,
            [bytes_input("text", ["a", "two words"])],
            outputs=[grpc.InferRequestedOutput("token_count")],
            parameters={"input_type": "query"},
        )
        assert result.as_numpy("embeddings") is None
        return [int(number) for number in result.as_numpy("token_count").ravel()]

    before = executions()
    _, both = infer(asymmetric.triton(), NAME, ["a", "two words"], input_type="query")
    for _ in range(10):
        assert count() == both.ravel().tolist()
    # The supervisor's probe runs the encoder, too.
    assert executions() - before < 10


EMBEDDING_TYPES = ("float", "int8", "uint8", "binary", "ubinary")


def different_options() -> list[dict[str, Any]]:
    """Return 300 sets of options, neighbors of different kinds."""
    sets: list[dict[str, Any]] = []
    for index in range(300):
        options: dict[str, Any] = {"input_type": ("query", "passage")[index % 2]}
        if index % 3:
            options["dimensions"] = 1 + index % 32
        else:
            options["embedding_type"] = EMBEDDING_TYPES[index // 3 % 5]
        sets.append(options)
    return sets


def test_concurrent_requests_keep_their_own_options(
    asymmetric: RunningServer,
) -> None:
    requests = [
        ([f"text {index}", "b"], options) for index, options in enumerate(different_options())
    ]

    def embed(request: tuple[list[str], dict[str, Any]]) -> NDArray[np.float32]:
        texts, options = request
        return asymmetric.vectors(ID, texts, **options)

    alone = [embed(request) for request in requests]
    with ThreadPoolExecutor(64) as pool:
        together = list(pool.map(embed, requests))
    for request, first, second in zip(requests, alone, together, strict=True):
        if request[1].get("embedding_type", "float") == "float":
            assert np.abs(first - second).max() < 1e-5
        else:
            # A component between two quantization steps may be rounded either way.
            different = np.unpackbits(first.astype(np.uint8)) != np.unpackbits(
                second.astype(np.uint8)
            )
            assert different.mean() < 0.02, request
