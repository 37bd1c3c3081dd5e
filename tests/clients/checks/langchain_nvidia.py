"""langchain-nvidia-ai-endpoints: NVIDIAEmbeddings; it always states input_type and truncate."""

from __future__ import annotations

import asyncio

import live
import pytest
from langchain_nvidia_ai_endpoints import NVIDIAEmbeddings


def embedder(model=live.MINILM, **options):
    return NVIDIAEmbeddings(model=model, base_url=live.V1, **options)


def test_queries_and_documents():
    live.check([embedder().embed_query(live.QUERY)], [live.QUERY])
    live.check(embedder().embed_documents(live.PASSAGES), live.PASSAGES)
    live.check(embedder(max_batch_size=2).embed_documents(live.PASSAGES), live.PASSAGES)


def test_async():
    query = asyncio.run(embedder().aembed_query(live.QUERY))
    live.check([query], [live.QUERY])
    documents = asyncio.run(embedder().aembed_documents(live.PASSAGES))
    live.check(documents, live.PASSAGES)


def test_sides():
    sided = embedder(live.ASYMMETRIC)
    live.check([sided.embed_query(live.QUERY)], [live.QUERY], live.ASYMMETRIC, "query")
    live.check(sided.embed_documents(live.PASSAGES), live.PASSAGES, live.ASYMMETRIC, "passage")


def test_truncate():
    live.check(embedder(truncate="END").embed_documents([live.LONG]), [live.LONG])
    with pytest.raises(Exception, match=live.OVER_LONG):
        embedder().embed_query(live.LONG)
    with pytest.raises(Exception, match=live.OVER_LONG):
        asyncio.run(embedder().aembed_query(live.LONG))


def test_dimensions():
    cut = embedder(live.MATRYOSHKA, dimensions=live.DIMENSIONS)
    live.check(cut.embed_documents(live.PASSAGES), live.PASSAGES, live.MATRYOSHKA)
    query = asyncio.run(cut.aembed_query(live.QUERY))
    live.check([query], [live.QUERY], live.MATRYOSHKA)
    # Its errors are plain Exceptions that begin with the status.
    with pytest.raises(Exception, match=rf"^\[400\] {live.NO_DIMENSIONS}"):
        embedder(dimensions=64).embed_query(live.QUERY)


def test_images():
    inputs = [live.IMAGE, live.PASSAGES[0]]
    live.check(embedder(live.IMAGES).embed_documents(inputs), inputs, live.IMAGES)
    live.check([embedder(live.IMAGES).embed_query(live.IMAGE)], [live.IMAGE], live.IMAGES)
    with pytest.raises(Exception, match=r"^\[400\] .*'text_image'"):
        embedder(live.IMAGES).embed_documents([f"a cat {live.IMAGE}"])


def test_unknown_model():
    with pytest.raises(Exception, match=rf"^\[404\] {live.NO_MODEL}"):
        embedder("no/model").embed_query(live.QUERY)


def test_models():
    assert {model.id for model in embedder().available_models} == live.MODELS
    with pytest.warns(UserWarning, match="Default model is set as"):
        assert embedder(model=None).model in live.MODELS
