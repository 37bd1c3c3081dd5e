"""The openai package; by default it requests base64."""

from __future__ import annotations

import asyncio

import live
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

client = OpenAI(base_url=live.V1, api_key="unused")


def vectors(response):
    return [item.embedding for item in response.data]


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}])
def test_vectors(options):
    live.check(
        vectors(client.embeddings.create(model=live.MINILM, input=live.QUERY, **options)),
        [live.QUERY],
    )
    response = client.embeddings.create(model=live.MINILM, input=live.PASSAGES, **options)
    live.check(vectors(response), live.PASSAGES)
    assert [item.index for item in response.data] == list(range(len(live.PASSAGES)))
    assert response.model == live.MINILM
    assert response.usage.prompt_tokens == response.usage.total_tokens > len(live.PASSAGES)


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}])
def test_async(options):
    async def send():
        async with AsyncOpenAI(base_url=live.V1, api_key="unused") as client:
            return await client.embeddings.create(model=live.MINILM, input=live.PASSAGES, **options)

    live.check(vectors(asyncio.run(send())), live.PASSAGES)


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(side):
    response = client.embeddings.create(
        model=live.ASYMMETRIC, input=live.PASSAGES, extra_body={"input_type": side}
    )
    live.check(vectors(response), live.PASSAGES, live.ASYMMETRIC, side)
    response = client.embeddings.create(model=f"{live.ASYMMETRIC}-{side}", input=live.PASSAGES)
    live.check(vectors(response), live.PASSAGES, live.ASYMMETRIC, side)
    with pytest.raises(BadRequestError, match=live.NO_INPUT_TYPE) as caught:
        client.embeddings.create(model=live.ASYMMETRIC, input=live.PASSAGES)
    assert caught.value.param == "input_type"


def test_truncate():
    response = client.embeddings.create(
        model=live.MINILM, input=live.LONG, extra_body={"truncate": "END"}
    )
    live.check(vectors(response), [live.LONG])
    with pytest.raises(BadRequestError, match=live.OVER_LONG):
        client.embeddings.create(
            model=live.MINILM, input=live.LONG, extra_body={"truncate": "NONE"}
        )


def test_dimensions():
    response = client.embeddings.create(
        model=live.MATRYOSHKA, input=live.PASSAGES, dimensions=live.DIMENSIONS
    )
    live.check(vectors(response), live.PASSAGES, live.MATRYOSHKA)
    with pytest.raises(BadRequestError, match=live.NO_DIMENSIONS) as caught:
        client.embeddings.create(model=live.MINILM, input=live.QUERY, dimensions=64)
    assert caught.value.param == "dimensions"


def test_embedding_type():
    # Explicit, because the client decodes every base64 response as float32.
    response = client.embeddings.create(
        model=live.MINILM,
        input=live.QUERY,
        encoding_format="float",
        extra_body={"embedding_type": "int8"},
    )
    numbers = vectors(response)[0]
    assert all(number == int(number) for number in numbers)
    length = sum(number**2 for number in numbers) ** 0.5
    expected = live.FACTS["vectors"][live.MINILM]["query"][live.QUERY]
    cosine = sum(a * b for a, b in zip(numbers, expected, strict=True)) / length
    assert cosine > 0.99


def test_unknown_model():
    with pytest.raises(NotFoundError, match=live.NO_MODEL) as caught:
        client.embeddings.create(model="no/model", input=live.QUERY)
    assert caught.value.code == "model_not_found"


def test_token_ids():
    response = client.embeddings.create(model=live.MINILM, input=[[101, 7592, 2088, 102]])
    live.check(vectors(response), ["Hello world"])
    with pytest.raises(BadRequestError, match="token id 100256 is outside"):
        client.embeddings.create(model=live.MINILM, input=[[101, 100256]])


def test_longest_list_that_openai_accepts():
    texts = live.PASSAGES * 512
    response = client.embeddings.create(model=f"{live.ASYMMETRIC}-query", input=texts)
    live.check(vectors(response), texts, live.ASYMMETRIC, "query")


def test_models():
    assert {model.id for model in client.models.list()} == live.MODELS
    assert client.models.retrieve(live.MINILM).id == live.MINILM
