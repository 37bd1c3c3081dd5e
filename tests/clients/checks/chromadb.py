"""chromadb: OpenAIEmbeddingFunction, alone and in a collection; a suffix states the input type."""

from __future__ import annotations

import os

import chromadb
import live
import pytest
from chromadb.utils.embedding_functions import OpenAIEmbeddingFunction
from openai import BadRequestError, NotFoundError

os.environ["CHROMA_OPENAI_API_KEY"] = "unused"


def function(model=live.MINILM, **options):
    return OpenAIEmbeddingFunction(model_name=model, api_base=live.V1, **options)


def test_queries_and_documents():
    live.check(function()(live.PASSAGES), live.PASSAGES)
    live.check(function().embed_query([live.QUERY]), [live.QUERY])


def test_collection():
    collection = chromadb.EphemeralClient().create_collection(
        "passages", embedding_function=function()
    )
    collection.add(ids=list("abcd"), documents=live.PASSAGES)
    kept = collection.get(ids=list("abcd"), include=["documents", "embeddings"])
    live.check(kept["embeddings"], kept["documents"])
    found = collection.query(query_texts=["A house full of books"], n_results=1)
    assert found["documents"] == [[live.PASSAGES[3]]]


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(side):
    vectors = function(f"{live.ASYMMETRIC}-{side}")(live.PASSAGES)
    live.check(vectors, live.PASSAGES, live.ASYMMETRIC, side)
    with pytest.raises(BadRequestError, match=live.NO_INPUT_TYPE):
        function(live.ASYMMETRIC)(live.PASSAGES)


def test_errors():
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        function()([live.LONG])
    with pytest.raises(NotFoundError, match=live.NO_MODEL):
        function("no/model")([live.QUERY])


def test_chromadb_omits_dimensions():
    live.check(function(dimensions=64)([live.QUERY]), [live.QUERY])
