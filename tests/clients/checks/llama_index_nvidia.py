"""llama-index-embeddings-nvidia: NVIDIAEmbedding; it always states input_type and truncate."""

from __future__ import annotations

import asyncio

import live
import pytest
from llama_index.embeddings.nvidia import NVIDIAEmbedding
from openai import BadRequestError, NotFoundError


def embedder(model=live.MINILM, **options):
    return NVIDIAEmbedding(model=model, base_url=live.V1, **options)


def test_queries_and_documents():
    live.check([embedder().get_query_embedding(live.QUERY)], [live.QUERY])
    live.check([embedder().get_text_embedding(live.QUERY)], [live.QUERY])
    live.check(embedder().get_text_embedding_batch(live.PASSAGES), live.PASSAGES)


def test_async():
    live.check([asyncio.run(embedder().aget_query_embedding(live.QUERY))], [live.QUERY])
    live.check(
        asyncio.run(embedder(embed_batch_size=2).aget_text_embedding_batch(live.PASSAGES)),
        live.PASSAGES,
    )


def test_sides():
    sided = embedder(live.ASYMMETRIC)
    documents = sided.get_text_embedding_batch(live.PASSAGES)
    live.check(documents, live.PASSAGES, live.ASYMMETRIC, "passage")
    query = asyncio.run(sided.aget_query_embedding(live.QUERY))
    live.check([query], [live.QUERY], live.ASYMMETRIC, "query")
    # A bug in version 0.6.0: the sync query is sent as a passage.
    query = sided.get_query_embedding(live.QUERY)
    live.check([query], [live.QUERY], live.ASYMMETRIC, "passage")


def test_truncate():
    live.check([embedder(truncate="END").get_text_embedding(live.LONG)], [live.LONG])
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        embedder().get_text_embedding(live.LONG)


def test_dimensions():
    # Sync only: the async calls in version 0.6.0 omit them.
    cut = embedder(live.MATRYOSHKA, dimensions=live.DIMENSIONS)
    live.check(cut.get_text_embedding_batch(live.PASSAGES), live.PASSAGES, live.MATRYOSHKA)
    with pytest.raises(BadRequestError, match=live.NO_DIMENSIONS):
        embedder(dimensions=64).get_text_embedding(live.QUERY)


def test_unknown_model():
    with pytest.raises(NotFoundError, match=live.NO_MODEL):
        embedder("no/model").get_text_embedding(live.QUERY)


def test_models():
    assert {model.id for model in embedder().available_models} == live.MODELS
    with pytest.warns(UserWarning, match="Default model is set as"):
        assert embedder(model=None).model in live.MODELS
