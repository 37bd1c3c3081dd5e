"""litellm, with each of its prefixes for such a server; by default it sends no encoding_format."""

from __future__ import annotations

import array
import asyncio
import base64

import litellm
import live
import pytest

PREFIXES = ["nvidia_nim/", "openai/", "hosted_vllm/"]
SERVICE = {"api_base": live.V1, "api_key": "unused"}


def vectors(response):
    assert response.usage.prompt_tokens > 0
    return [item["embedding"] for item in response.data]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_queries_and_documents(prefix):
    response = litellm.embedding(prefix + live.MINILM, live.QUERY, **SERVICE)
    live.check(vectors(response), [live.QUERY])
    response = litellm.embedding(prefix + live.MINILM, live.PASSAGES, **SERVICE)
    live.check(vectors(response), live.PASSAGES)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_async(prefix):
    response = asyncio.run(litellm.aembedding(prefix + live.MINILM, live.PASSAGES, **SERVICE))
    live.check(vectors(response), live.PASSAGES)


@pytest.mark.parametrize("side", ["query", "passage"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_sides(prefix, side):
    model = prefix + live.ASYMMETRIC
    response = litellm.embedding(model, live.PASSAGES, input_type=side, **SERVICE)
    live.check(vectors(response), live.PASSAGES, live.ASYMMETRIC, side)
    response = litellm.embedding(f"{model}-{side}", live.PASSAGES, **SERVICE)
    live.check(vectors(response), live.PASSAGES, live.ASYMMETRIC, side)
    with pytest.raises(litellm.BadRequestError, match=live.NO_INPUT_TYPE):
        litellm.embedding(model, live.PASSAGES, **SERVICE)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_truncate(prefix):
    response = litellm.embedding(prefix + live.MINILM, live.LONG, truncate="END", **SERVICE)
    live.check(vectors(response), [live.LONG])
    with pytest.raises(litellm.BadRequestError, match=live.OVER_LONG):
        litellm.embedding(prefix + live.MINILM, live.LONG, truncate="NONE", **SERVICE)


@pytest.mark.parametrize("encoding_format", [None, "float"])
def test_floats(encoding_format):
    model = f"nvidia_nim/{live.MINILM}"
    response = litellm.embedding(model, live.QUERY, encoding_format=encoding_format, **SERVICE)
    live.check(vectors(response), [live.QUERY])


def test_base64_is_passed_through():
    model = f"nvidia_nim/{live.MINILM}"
    response = litellm.embedding(model, live.QUERY, encoding_format="base64", **SERVICE)
    numbers = array.array("f", base64.b64decode(vectors(response)[0]))
    live.check([numbers], [live.QUERY])


@pytest.mark.parametrize("prefix", ["nvidia_nim/", "hosted_vllm/"])
def test_dimensions(prefix):
    model = prefix + live.MATRYOSHKA
    response = litellm.embedding(model, live.PASSAGES, dimensions=live.DIMENSIONS, **SERVICE)
    live.check(vectors(response), live.PASSAGES, live.MATRYOSHKA)
    with pytest.raises(litellm.BadRequestError, match=live.NO_DIMENSIONS):
        litellm.embedding(prefix + live.MINILM, live.QUERY, dimensions=64, **SERVICE)


def test_litellm_rejects_dimensions_for_other_models_than_openai_s():
    with pytest.raises(litellm.UnsupportedParamsError):
        litellm.embedding(f"openai/{live.MINILM}", live.QUERY, dimensions=64, **SERVICE)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_unknown_model(prefix):
    with pytest.raises(litellm.NotFoundError, match=live.NO_MODEL):
        litellm.embedding(f"{prefix}no/model", live.QUERY, **SERVICE)
