"""haystack-ai: OpenAITextEmbedder and OpenAIDocumentEmbedder; the suffix states the input type."""

from __future__ import annotations

import asyncio

import live
import pytest
from haystack import Document
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.utils import Secret
from openai import BadRequestError, NotFoundError

SERVICE = {"api_key": Secret.from_token("unused"), "api_base_url": live.V1}
DOCUMENTS = [Document(content=text) for text in live.PASSAGES]


def for_queries(model=live.MINILM, **options):
    return OpenAITextEmbedder(model=model, **SERVICE, **options)


def for_documents(model=live.MINILM, **options):
    return OpenAIDocumentEmbedder(model=model, progress_bar=False, **SERVICE, **options)


def vectors(response):
    return [document.embedding for document in response["documents"]]


def test_queries_and_documents():
    response = for_queries().run(live.QUERY)
    live.check([response["embedding"]], [live.QUERY])
    assert response["meta"]["model"] == live.MINILM
    response = for_documents(batch_size=2).run(DOCUMENTS)
    live.check(vectors(response), live.PASSAGES)
    assert response["meta"]["usage"]["prompt_tokens"] > len(DOCUMENTS)


def test_async():
    response = asyncio.run(for_queries().run_async(live.QUERY))
    live.check([response["embedding"]], [live.QUERY])
    live.check(vectors(asyncio.run(for_documents().run_async(DOCUMENTS))), live.PASSAGES)


def test_sides():
    query = for_queries(f"{live.ASYMMETRIC}-query").run(live.QUERY)["embedding"]
    live.check([query], [live.QUERY], live.ASYMMETRIC, "query")
    documents = vectors(for_documents(f"{live.ASYMMETRIC}-passage").run(DOCUMENTS))
    live.check(documents, live.PASSAGES, live.ASYMMETRIC, "passage")
    with pytest.raises(BadRequestError, match=live.NO_INPUT_TYPE):
        for_queries(live.ASYMMETRIC).run(live.QUERY)


def test_dimensions():
    response = for_documents(live.MATRYOSHKA, dimensions=live.DIMENSIONS).run(DOCUMENTS)
    live.check(vectors(response), live.PASSAGES, live.MATRYOSHKA)
    with pytest.raises(BadRequestError, match=live.NO_DIMENSIONS):
        for_queries(dimensions=64).run(live.QUERY)


def test_errors():
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        for_queries().run(live.LONG)
    with pytest.raises(NotFoundError, match=live.NO_MODEL):
        for_queries("no/model").run(live.QUERY)


def test_document_errors(caplog):
    long = [Document(content=live.LONG)]
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        for_documents(raise_on_failure=True).run(long)
    # By default, the client logs the error and returns the document without an embedding.
    assert vectors(for_documents().run(long)) == [None]
    assert live.OVER_LONG in caplog.text
