from __future__ import annotations

from dataclasses import replace

import pytest

from triton_embed.contract.image_spec import ImageSpec, Resample, Resize, Transparency
from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.contract.options import EmbeddingType, Modality
from triton_embed.contract.serialization import (
    Identity,
    SpecError,
    spec_from_parameters,
    spec_to_parameters,
)
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
    max_tokens_query=64,
    max_tokens_passage=1024,
    pools_prompt=False,
    pooling=("cls", "mean"),
    normalized=False,
    accepts_token_ids=False,
    rejects_embedded_images=True,
    padding_id=1,
    image=ImageSpec(
        512,
        Resize.TILES,
        Resample.BILINEAR,
        Transparency.DROP,
        max_tiles=6,
        thumbnail=True,
        tokens_per_tile=256,
    ),
    image_tokens=ImageTokens(128258, (128259,), (), (128260, 7), " ", 2048),
)
IDENTITY = Identity("me/Full.1", "1", "2026-11-29T03:20:58Z", "text", "entry")


@pytest.mark.parametrize(
    "spec", [PLAIN, FULL, replace(PLAIN, matryoshka_dimensions=(), requires_input_type=True)]
)
def test_spec_survives_parameters(spec: ModelSpec) -> None:
    assert spec_from_parameters(spec_to_parameters(spec)) == spec


def test_error_names_missing_or_malformed_parameter() -> None:
    parameters = spec_to_parameters(PLAIN)
    del parameters["max_tokens"]
    with pytest.raises(SpecError, match="'max_tokens' is missing"):
        spec_from_parameters(parameters)
    with pytest.raises(SpecError, match="many"):
        spec_from_parameters({**spec_to_parameters(PLAIN), "dimension": "many"})


def test_identity_survives_parameters_beside_spec() -> None:
    parameters = {**spec_to_parameters(FULL), **IDENTITY.to_parameters()}
    assert Identity.from_parameters(parameters) == IDENTITY
    assert spec_from_parameters(parameters) == FULL


def test_model_without_id_and_version_is_the_users() -> None:
    foreign = {"max_tokens": "8", "role": "entry"}
    assert Identity.from_parameters(foreign) is None
    with pytest.raises(SpecError, match="neither 'model_id' nor 'spec_version'"):
        spec_from_parameters(foreign)


def test_older_version_is_rejected_with_the_export_command() -> None:
    parameters = {**spec_to_parameters(PLAIN)}
    command = "export it again with 'triton-embed export CHECKPOINT --model-id me/plain'"
    with pytest.raises(SpecError, match=command):
        spec_from_parameters({**parameters, "spec_version": "0"})
    del parameters["spec_version"]
    with pytest.raises(SpecError, match=command):
        spec_from_parameters(parameters)


def test_newer_version_is_rejected_with_the_upgrade() -> None:
    parameters = {**spec_to_parameters(PLAIN), "spec_version": "2"}
    with pytest.raises(SpecError, match=r"newer .*: upgrade triton-embed"):
        spec_from_parameters(parameters)
