"""llama-index-embeddings-openai: OpenAIEmbedding; `model_name` takes any model id."""

from __future__ import annotations

import asyncio

import live
import pytest
from llama_index.embeddings.openai import OpenAIEmbedding
from openai import BadRequestError, NotFoundError


def embedder(model=live.MINILM, **options):
    return OpenAIEmbedding(model_name=model, api_base=live.V1, api_key="unused", **options)


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


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(side):
    by_suffix = embedder(f"{live.ASYMMETRIC}-{side}").get_text_embedding_batch(live.PASSAGES)
    live.check(by_suffix, live.PASSAGES, live.ASYMMETRIC, side)
    stated = {"extra_body": {"input_type": side}}
    by_field = embedder(live.ASYMMETRIC, additional_kwargs=stated)
    live.check(
        by_field.get_text_embedding_batch(live.PASSAGES), live.PASSAGES, live.ASYMMETRIC, side
    )
    with pytest.raises(BadRequestError, match=live.NO_INPUT_TYPE):
        embedder(live.ASYMMETRIC).get_query_embedding(live.QUERY)


def test_truncate():
    cut = embedder(additional_kwargs={"extra_body": {"truncate": "END"}})
    live.check([cut.get_text_embedding(live.LONG)], [live.LONG])
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        embedder().get_text_embedding(live.LONG)


def test_dimensions():
    cut = embedder(live.MATRYOSHKA, dimensions=live.DIMENSIONS)
    live.check(cut.get_text_embedding_batch(live.PASSAGES), live.PASSAGES, live.MATRYOSHKA)
    with pytest.raises(BadRequestError, match=live.NO_DIMENSIONS):
        embedder(dimensions=64).get_text_embedding(live.QUERY)


def test_unknown_model():
    with pytest.raises(NotFoundError, match=live.NO_MODEL):
        embedder("no/model").get_text_embedding(live.QUERY)
