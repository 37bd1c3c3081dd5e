from __future__ import annotations

from dataclasses import replace

import pytest

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import EmbeddingType, InputType, Modality, Options
from triton_embed.contract.spec import ModelSpec

PLAIN = ModelSpec(model_id="me/plain", max_tokens=512, vocab_size=1000, dimension=64)
FULL = ModelSpec(
    model_id="me/Full.1",
    max_tokens=8192,
    vocab_size=128256,
    dimension=2048,
    matryoshka_dimensions=(384, 768),
    prompt_query='say "query": ',
    prompt_passage="passage: ",
    embedding_types=tuple(EmbeddingType),
    int8_absmax=0.12345678901234567,
    modalities=tuple(Modality),
)


def test_asymmetric_model_requires_the_input_type() -> None:
    assert FULL.is_input_type_required and not PLAIN.is_input_type_required
    assert FULL.prompt(InputType.QUERY) == 'say "query": '
    assert FULL.prompt(InputType.PASSAGE) == "passage: "
    assert PLAIN.prompt(None) == ""
    with pytest.raises(InvalidRequest) as caught:
        FULL.validated_options(Options())
    assert str(caught.value) == (
        "'input_type' parameter is required for asymmetric models. Over HTTP, the model name "
        "'me/Full.1-query' or 'me/Full.1-passage' states it, too"
    )


def test_spec_may_require_the_input_type_or_not() -> None:
    assert replace(FULL, requires_input_type=False, prompt_default="any: ").prompt(None) == "any: "
    assert replace(PLAIN, requires_input_type=True).is_input_type_required


def test_dimensions_outside_the_trained_ones_are_rejected() -> None:
    with pytest.raises(InvalidRequest) as caught:
        PLAIN.validated_options(Options(dimensions=32))
    assert str(caught.value) == (
        "This model does not support 'dimensions', but a value of '32' was provided."
    )
    query = Options(input_type=InputType.QUERY)
    FULL.validated_options(replace(query, dimensions=384))
    with pytest.raises(InvalidRequest, match="one of 384, 768, not 385"):
        FULL.validated_options(replace(query, dimensions=385))
    with pytest.raises(InvalidRequest, match="in combination"):
        FULL.validated_options(replace(query, dimensions=384, embedding_type=EmbeddingType.INT8))


@pytest.mark.parametrize("embedding_type", EmbeddingType)
@pytest.mark.parametrize("matryoshka", [None, (), (16, 32)])
def test_own_dimension_is_removed_from_the_options(
    matryoshka: tuple[int, ...] | None, embedding_type: EmbeddingType
) -> None:
    spec = replace(
        PLAIN,
        matryoshka_dimensions=matryoshka,
        embedding_types=tuple(EmbeddingType),
        int8_absmax=1.0,
    )
    options = Options(embedding_type=embedding_type)
    assert spec.validated_options(replace(options, dimensions=64)) == options


def test_default_input_type_applies_to_asymmetric_models() -> None:
    passage = Options(input_type=InputType.PASSAGE)
    query = Options(input_type=InputType.QUERY)
    assert FULL.validated_options(Options(), InputType.QUERY) == query
    assert FULL.validated_options(passage, InputType.QUERY) == passage
    assert PLAIN.validated_options(Options(), InputType.QUERY) == Options()


def test_symmetric_model_distinguishes_no_input_types() -> None:
    assert PLAIN.input_types == ()
    assert FULL.input_types == (InputType.QUERY, InputType.PASSAGE)
    optional = replace(FULL, requires_input_type=False)
    assert optional.input_types == FULL.input_types
    assert replace(PLAIN, max_tokens_query=8).input_types == FULL.input_types


@pytest.mark.parametrize("dimensions", [0, -1, 65])
def test_model_without_a_list_of_dimensions_accepts_any_up_to_its_own(dimensions: int) -> None:
    spec = replace(PLAIN, matryoshka_dimensions=())
    spec.validated_options(Options(dimensions=1))
    spec.validated_options(Options(dimensions=64))
    with pytest.raises(InvalidRequest, match="between 1 and 64"):
        spec.validated_options(Options(dimensions=dimensions))


def test_unsupported_embedding_type_is_rejected_with_the_supported_ones() -> None:
    with pytest.raises(InvalidRequest, match="'int8'; it supports 'float'"):
        PLAIN.validated_options(Options(embedding_type=EmbeddingType.INT8))
