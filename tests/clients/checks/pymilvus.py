"""pymilvus's OpenAIEmbeddingFunction; the suffix states the input type."""

from __future__ import annotations

import live
import pytest
from openai import BadRequestError, NotFoundError
from pymilvus.model.dense import OpenAIEmbeddingFunction


def function(model=live.MINILM, **options):
    return OpenAIEmbeddingFunction(model, api_key="unused", base_url=live.V1, **options)


def test_queries_and_documents():
    live.check(function().encode_queries([live.QUERY]), [live.QUERY])
    live.check(function().encode_documents(live.PASSAGES), live.PASSAGES)


def test_sides():
    queries = function(f"{live.ASYMMETRIC}-query").encode_queries([live.QUERY])
    live.check(queries, [live.QUERY], live.ASYMMETRIC, "query")
    documents = function(f"{live.ASYMMETRIC}-passage").encode_documents(live.PASSAGES)
    live.check(documents, live.PASSAGES, live.ASYMMETRIC, "passage")
    with pytest.raises(BadRequestError, match=live.NO_INPUT_TYPE):
        function(live.ASYMMETRIC).encode_queries([live.QUERY])


def test_dimensions():
    cut = function(live.MATRYOSHKA, dimensions=live.DIMENSIONS)
    live.check(cut.encode_documents(live.PASSAGES), live.PASSAGES, live.MATRYOSHKA)
    with pytest.raises(BadRequestError, match=live.NO_DIMENSIONS):
        function(dimensions=64).encode_queries([live.QUERY])


def test_errors():
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        function().encode_documents([live.LONG])
    with pytest.raises(NotFoundError, match=live.NO_MODEL):
        function("no/model").encode_queries([live.QUERY])
