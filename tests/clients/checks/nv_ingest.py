"""nv-ingest-api: its retrieval call over HTTP and gRPC, and its pipeline stage over HTTP."""

from __future__ import annotations

import live
import pandas as pd
import pytest
from nv_ingest_api.internal.primitives.nim.model_interface.helpers import (
    get_model_name,
    get_version,
    is_ready,
)
from nv_ingest_api.internal.schemas.transform.transform_text_embedding_schema import (
    TextEmbeddingSchema,
)
from nv_ingest_api.internal.transform.embed_text import transform_create_text_embeddings_internal
from nv_ingest_api.util.nim import infer_microservice

OVER = {
    "http": {"embedding_endpoint": live.V1},
    "grpc": {"embedding_endpoint": live.GRPC, "grpc": True},
}


def embed(over, texts, model, **options):
    return infer_microservice(texts, model, **OVER[over], **options)


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(over, side):
    vectors = embed(over, live.PASSAGES, live.ASYMMETRIC, input_type=side)
    live.check(vectors, live.PASSAGES, live.ASYMMETRIC, side)


# Over gRPC, it replaces "/" and "-" in the model id with "_", but keeps capital letters.
@pytest.mark.parametrize("over", OVER)
def test_queries_and_documents(over):
    live.check(embed(over, [live.QUERY], live.MINILM, input_type="query"), [live.QUERY])
    live.check(embed(over, live.PASSAGES, live.MINILM), live.PASSAGES)


@pytest.mark.parametrize("over", OVER)
def test_long_lists(over):
    texts = live.PASSAGES * 70
    live.check(embed(over, texts, live.ASYMMETRIC), texts, live.ASYMMETRIC)


@pytest.mark.parametrize("over", OVER)
def test_truncate(over):
    live.check(embed(over, [live.LONG], live.MINILM, truncate="END"), [live.LONG])


def test_errors_over_http():
    # The client reports only the status line.
    with pytest.raises(RuntimeError, match="400 Client Error"):
        embed("http", [live.LONG], live.MINILM, truncate="NONE")
    with pytest.raises(RuntimeError, match="404 Client Error"):
        embed("http", [live.QUERY], "no/model")


def test_errors_over_grpc():
    # An unknown model is not tested: this client repeats NOT_FOUND for 17 minutes.
    with pytest.raises(RuntimeError, match=live.OVER_LONG):
        embed("grpc", [live.LONG], live.MINILM, truncate="NONE")


def test_pipeline_stage():
    rows = [
        {
            "document_type": "text",
            "metadata": {"content": text, "content_metadata": {"type": "text"}},
        }
        for text in live.PASSAGES
    ]
    settings = TextEmbeddingSchema(
        embedding_model=live.MINILM, embedding_nim_endpoint=live.V1, batch_size=2
    )
    embedded, _ = transform_create_text_embeddings_internal(pd.DataFrame(rows), {}, settings)
    vectors = [metadata["embedding"] for metadata in embedded["metadata"]]
    live.check(vectors, live.PASSAGES)


def test_service_metadata():
    assert is_ready(live.V1, "/v1/health/ready")
    assert get_version(live.V1)
    assert get_model_name(live.V1, "") in live.MODELS
