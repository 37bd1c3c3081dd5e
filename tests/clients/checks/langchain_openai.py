"""langchain-openai: OpenAIEmbeddings."""

from __future__ import annotations

import asyncio

import live
import pytest
from langchain_openai import OpenAIEmbeddings
from openai import BadRequestError, NotFoundError


def embedder(model=live.MINILM, **options):
    # By default it sends token ids of OpenAI's own tokenizer, whose file it downloads.
    return OpenAIEmbeddings(
        model=model,
        base_url=live.V1,
        api_key="unused",
        check_embedding_ctx_length=False,
        **options,
    )


def test_queries_and_documents():
    live.check([embedder().embed_query(live.QUERY)], [live.QUERY])
    live.check(embedder().embed_documents(live.PASSAGES), live.PASSAGES)
    live.check(embedder(chunk_size=2).embed_documents(live.PASSAGES), live.PASSAGES)


def test_async():
    live.check([asyncio.run(embedder().aembed_query(live.QUERY))], [live.QUERY])
    live.check(asyncio.run(embedder().aembed_documents(live.PASSAGES)), live.PASSAGES)


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(side):
    by_suffix = embedder(f"{live.ASYMMETRIC}-{side}").embed_documents(live.PASSAGES)
    live.check(by_suffix, live.PASSAGES, live.ASYMMETRIC, side)
    stated = {"extra_body": {"input_type": side}}
    by_field = embedder(live.ASYMMETRIC, model_kwargs=stated).embed_documents(live.PASSAGES)
    live.check(by_field, live.PASSAGES, live.ASYMMETRIC, side)
    with pytest.raises(BadRequestError, match=live.NO_INPUT_TYPE):
        embedder(live.ASYMMETRIC).embed_query(live.QUERY)


def test_truncate():
    cut = embedder(model_kwargs={"extra_body": {"truncate": "END"}})
    live.check(cut.embed_documents([live.LONG]), [live.LONG])
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        embedder().embed_query(live.LONG)


def test_dimensions():
    cut = embedder(live.MATRYOSHKA, dimensions=live.DIMENSIONS)
    live.check(cut.embed_documents(live.PASSAGES), live.PASSAGES, live.MATRYOSHKA)
    with pytest.raises(BadRequestError, match=live.NO_DIMENSIONS):
        embedder(dimensions=64).embed_query(live.QUERY)


def test_unknown_model():
    with pytest.raises(NotFoundError, match=live.NO_MODEL):
        embedder("no/model").embed_query(live.QUERY)
