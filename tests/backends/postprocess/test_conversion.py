from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from triton_embed.backends.postprocess.conversion import convert
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import EmbeddingType, Options
from triton_embed.contract.spec import ModelSpec

SPEC = ModelSpec(
    model_id="m",
    max_tokens=8,
    vocab_size=9,
    dimension=16,
    matryoshka_dimensions=(),
    embedding_types=tuple(EmbeddingType),
    int8_absmax=0.5,
)


@pytest.fixture
def vectors() -> NDArray[np.float32]:
    drawn = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_float_vectors_are_returned_unchanged(vectors: NDArray[np.float32]) -> None:
    assert convert(vectors, Options(), SPEC) is vectors


@pytest.mark.parametrize("embedding_type", EmbeddingType)
def test_own_dimension_changes_no_vector(
    vectors: NDArray[np.float32], embedding_type: EmbeddingType
) -> None:
    vectors *= 3  # As of a model that does not normalize.
    options = Options(embedding_type=embedding_type)
    spec = replace(SPEC, matryoshka_dimensions=None)
    converted = convert(vectors, replace(options, dimensions=16), spec)
    assert np.array_equal(converted, convert(vectors, options, spec))


def test_truncated_vectors_are_normalized_again(vectors: NDArray[np.float32]) -> None:
    short = convert(vectors, Options(dimensions=4), SPEC)
    assert short.shape == (5, 4) and short.dtype == np.float32
    assert np.linalg.norm(short, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.allclose(short[0] / short[0, 0], vectors[0, :4] / vectors[0, 0], atol=1e-4)


def test_int8_and_uint8_are_scaled_by_the_spec_and_clipped(vectors: NDArray[np.float32]) -> None:
    vectors[0, :3] = (0.5, -0.9, 0.0)
    signed = convert(vectors, Options(embedding_type=EmbeddingType.INT8), SPEC)
    unsigned = convert(vectors, Options(embedding_type=EmbeddingType.UINT8), SPEC)
    assert signed.dtype == np.int8 and unsigned.dtype == np.uint8
    assert signed[0, :3].tolist() == [127, -127, 0]
    assert np.array_equal(unsigned.astype(int), signed.astype(int) + 128)


@pytest.mark.torch
def test_binary_types_follow_sentence_transformers(vectors: NDArray[np.float32]) -> None:
    from sentence_transformers.util.quantization import quantize_embeddings

    for kind in (EmbeddingType.BINARY, EmbeddingType.UBINARY):
        converted = convert(vectors, Options(embedding_type=kind), SPEC)
        expected = np.asarray(quantize_embeddings(vectors, precision=kind.value))
        assert np.array_equal(converted, expected) and converted.dtype == expected.dtype


def test_options_that_the_spec_does_not_offer_are_rejected(vectors: NDArray[np.float32]) -> None:
    plain = replace(SPEC, matryoshka_dimensions=None, embedding_types=(EmbeddingType.FLOAT,))
    for options in (Options(dimensions=4), Options(embedding_type=EmbeddingType.INT8)):
        with pytest.raises(InvalidRequest):
            convert(vectors, options, plain)
