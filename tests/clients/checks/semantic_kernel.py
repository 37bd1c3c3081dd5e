"""semantic-kernel: NvidiaTextEmbedding; async only; by default, input_type is query."""

from __future__ import annotations

import asyncio

import live
import pytest
from openai import BadRequestError, NotFoundError
from semantic_kernel.connectors.ai.nvidia import (
    NvidiaEmbeddingPromptExecutionSettings,
    NvidiaTextEmbedding,
)
from semantic_kernel.exceptions import ServiceResponseException


def embed(texts, model=live.MINILM, batch_size=None, **options):
    service = NvidiaTextEmbedding(model, api_key="unused", base_url=live.V1)
    settings = NvidiaEmbeddingPromptExecutionSettings(**options)
    vectors = asyncio.run(service.generate_embeddings(texts, settings, batch_size))
    assert service.prompt_tokens == service.total_tokens > len(texts)
    return vectors


def rejected(error, text, *arguments, **options):
    with pytest.raises(ServiceResponseException) as caught:
        embed(*arguments, **options)
    assert isinstance(caught.value.__cause__, error)
    assert text in str(caught.value.__cause__)


def test_queries_and_documents():
    live.check(embed([live.QUERY]), [live.QUERY])
    live.check(embed(live.PASSAGES, input_type="passage"), live.PASSAGES)
    live.check(embed(live.PASSAGES, batch_size=1), live.PASSAGES)


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(side):
    vectors = embed(live.PASSAGES, live.ASYMMETRIC, input_type=side)
    live.check(vectors, live.PASSAGES, live.ASYMMETRIC, side)


def test_truncate():
    live.check(embed([live.LONG], truncate="END"), [live.LONG])
    rejected(BadRequestError, live.OVER_LONG, [live.LONG])


def test_dimensions():
    vectors = embed(live.PASSAGES, live.MATRYOSHKA, dimensions=live.DIMENSIONS)
    live.check(vectors, live.PASSAGES, live.MATRYOSHKA)
    rejected(BadRequestError, live.NO_DIMENSIONS, [live.QUERY], dimensions=64)


def test_unknown_model():
    rejected(NotFoundError, live.NO_MODEL, [live.QUERY], "no/model")
