"""tritonclient over gRPC, straight to Triton with the NIM's tensors and parameters."""

from __future__ import annotations

import asyncio
import re

import live
import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as grpc_aio
from tritonclient.utils import InferenceServerException

client = grpc.InferenceServerClient(live.GRPC)


def name(model):
    return re.sub(r"[^a-z0-9]", "_", model.lower())


def tensor(texts):
    text = grpc.InferInput("text", [len(texts), 1], "BYTES")
    text.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=np.object_))
    return text


def embed(texts, model=live.MINILM, **parameters):
    response = client.infer(name(model), [tensor(texts)], parameters=parameters)
    tokens = response.as_numpy("token_count")
    assert tokens.dtype == np.int32
    assert tokens.size == len(texts)
    return response.as_numpy("embeddings")


def rejected(status, text, *arguments, **parameters):
    with pytest.raises(InferenceServerException, match=text) as caught:
        embed(*arguments, **parameters)
    assert caught.value.status() == f"StatusCode.{status}"


def test_queries_and_documents():
    live.check(embed([live.QUERY], input_type="query"), [live.QUERY])
    live.check(embed(live.PASSAGES, input_type="passage"), live.PASSAGES)


def test_async():
    async def send():
        async with grpc_aio.InferenceServerClient(live.GRPC) as client:
            return await client.infer(name(live.MINILM), [tensor(live.PASSAGES)])

    live.check(asyncio.run(send()).as_numpy("embeddings"), live.PASSAGES)


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(side):
    vectors = embed(live.PASSAGES, live.ASYMMETRIC, input_type=side)
    live.check(vectors, live.PASSAGES, live.ASYMMETRIC, side)


def test_modality():
    modality = grpc.InferInput("modality", [1, 1], "BYTES")
    modality.set_data_from_numpy(np.array([[b"text"]], dtype=np.object_))
    response = client.infer(name(live.MINILM), [tensor([live.QUERY]), modality])
    live.check(response.as_numpy("embeddings"), [live.QUERY])


@pytest.mark.parametrize("truncate", ["END", "end"])
def test_truncate(truncate):
    live.check(embed([live.LONG], truncate=truncate), [live.LONG])


def test_dimensions():
    vectors = embed(live.PASSAGES, live.MATRYOSHKA, dimensions=live.DIMENSIONS)
    live.check(vectors, live.PASSAGES, live.MATRYOSHKA)
    rejected("INVALID_ARGUMENT", live.NO_DIMENSIONS, [live.QUERY], dimensions=64)


def test_errors():
    rejected("INVALID_ARGUMENT", live.OVER_LONG, [live.LONG])
    rejected("INVALID_ARGUMENT", live.OVER_LONG, [live.LONG], truncate="NONE")
    rejected("INVALID_ARGUMENT", live.NO_INPUT_TYPE, [live.QUERY], live.ASYMMETRIC)
    rejected("NOT_FOUND", "no_model", [live.QUERY], "no/model")


def test_metadata():
    assert client.is_server_ready()
    assert client.is_model_ready(name(live.MINILM))
    metadata = client.get_model_metadata(name(live.MINILM))
    assert [item.name for item in metadata.inputs] == ["text", "modality"]
    assert {item.name for item in metadata.outputs} == {"token_count", "embeddings"}
    assert client.get_model_config(name(live.MINILM)).config.max_batch_size > 1
