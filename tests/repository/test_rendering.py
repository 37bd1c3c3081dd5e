"""Rendered configurations against recorded ones, which ``python -m testing.golden`` renews."""

from __future__ import annotations

import pytest

from testing import golden
from triton_embed.contract.fitting import max_tiles
from triton_embed.contract.image_spec import MAX_TILES, ImageSpec, Resize
from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.contract.pipelines import FUSED_ANY_SIZE, PIPELINES
from triton_embed.contract.serialization import SPEC_VERSION, Identity, spec_from_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import config
from triton_embed.repository.rendering import StepRuntime, render

CASES = {case.path.stem: case for case in golden.cases()}


@pytest.mark.parametrize("name", CASES)
def test_configurations_equal_the_recorded_configurations(name: str) -> None:
    rendered, recorded = CASES[name].rendered(), CASES[name].recorded()
    assert list(rendered) == list(recorded)
    for model, each in rendered.items():
        assert each == recorded[model]


@pytest.mark.parametrize("name", CASES)
def test_every_configuration_carries_identity(name: str) -> None:
    spec = CASES[name].spec
    roles = PIPELINES["text"].triton_models(spec.model_id)
    for model, rendered in CASES[name].rendered().items():
        assert rendered.name == model
        assert Identity.from_parameters(config.parameters(rendered)) == Identity(
            spec.model_id, SPEC_VERSION, golden.EXPORTED_AT, "text", roles[model].value
        )


@pytest.mark.parametrize("name", CASES)
def test_spec_is_read_back_where_it_is_needed(name: str) -> None:
    with_spec = [
        rendered
        for rendered in CASES[name].rendered().values()
        if config.parameters(rendered)["role"] in ("entry", "alias", "tokenize", "postprocess")
    ]
    for rendered in with_spec:
        assert spec_from_parameters(config.parameters(rendered)) == CASES[name].spec


@pytest.mark.parametrize(("size", "tiles"), [(1540, 3025), (56, MAX_TILES)])
def test_tower_for_any_size_executes_the_largest_image(size: int, tiles: int) -> None:
    spec = ModelSpec(
        model_id="m",
        max_tokens=512,
        vocab_size=1000,
        dimension=64,
        image=ImageSpec(
            28,
            Resize.FIT,
            longest_edge=size,
            max_tiles=max_tiles(28, size),
            tokens_per_tile=1,
        ),
        image_tokens=ImageTokens(3, (), (4,), (5,), "", 32),
    )
    configs = render(
        spec,
        exported_at=golden.EXPORTED_AT,
        max_batch_size=8,
        encoder=StepRuntime("onnxruntime"),
        pipeline=FUSED_ANY_SIZE,
    )
    tower = configs["m_vision"]
    assert tower.max_batch_size == tiles
    assert [(each.name, list(each.dims)) for each in tower.input] == [
        ("pixels", [3, 28, 28]),
        ("tile_position", [3]),
    ]
    assert [list(each.dims) for each in tower.output] == [[1, 32]]
    assert configs["m_encoder"].max_batch_size == 8
