"""Rendered configurations against recorded ones, which ``python -m testing.golden`` renews."""

from __future__ import annotations

import pytest

from testing import golden
from triton_embed.contract.pipelines import PIPELINES
from triton_embed.contract.serialization import SPEC_VERSION, Identity, spec_from_parameters
from triton_embed.repository import config

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
