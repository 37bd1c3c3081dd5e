"""nvidia-haystack: text and document embedders; sync only, and without dimensions."""

from __future__ import annotations

import live
import pytest
from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.embedders.nvidia import (
    NvidiaDocumentEmbedder,
    NvidiaTextEmbedder,
)

KEY = Secret.from_token("unused")


def embed_query(text, model=live.MINILM, **options):
    return NvidiaTextEmbedder(model, KEY, api_url=live.V1, **options).run(text)["embedding"]


def embed_documents(texts, model=live.MINILM, **options):
    embedder = NvidiaDocumentEmbedder(model, KEY, api_url=live.V1, progress_bar=False, **options)
    response = embedder.run([Document(content=text) for text in texts])
    assert response["meta"]["usage"]["prompt_tokens"] > len(texts)
    return [document.embedding for document in response["documents"]]


def test_queries_and_documents():
    live.check([embed_query(live.QUERY)], [live.QUERY])
    live.check(embed_documents(live.PASSAGES), live.PASSAGES)
    live.check(embed_documents(live.PASSAGES, batch_size=2), live.PASSAGES)


def test_sides():
    live.check([embed_query(live.QUERY, live.ASYMMETRIC)], [live.QUERY], live.ASYMMETRIC, "query")
    documents = embed_documents(live.PASSAGES, live.ASYMMETRIC)
    live.check(documents, live.PASSAGES, live.ASYMMETRIC, "passage")


def test_truncate():
    live.check(embed_documents([live.LONG], truncate="END"), [live.LONG])
    with pytest.raises(ValueError, match=live.OVER_LONG):
        embed_query(live.LONG, truncate="NONE")
    with pytest.raises(ValueError, match=live.OVER_LONG):
        embed_documents([live.LONG])


def test_errors():
    with pytest.raises(ValueError, match=live.NO_MODEL):
        embed_query(live.QUERY, "no/model")


def test_model_is_optional():
    embedder = NvidiaTextEmbedder(api_key=KEY, api_url=live.V1)
    with pytest.warns(UserWarning, match="Default model is set as"):
        embedder.warm_up()
    assert embedder.model in live.MODELS
    assert {model.id for model in embedder.available_models} == live.MODELS
