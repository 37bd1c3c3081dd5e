"""Rendered configurations against recorded ones.

The files in golden/ were written by commit 92e22db for every family and target. Since then
parameters were added and renamed on purpose, which `as_recorded` undoes. When the format changes
again, ``python -m testing.golden`` renews the files, and `as_recorded` can be deleted.
"""

from __future__ import annotations

import pytest
from tritonclient.grpc import model_config_pb2 as pb

from testing import golden
from triton_embed.contract.pipelines import PIPELINES
from triton_embed.contract.serialization import SPEC_VERSION, Identity, spec_from_parameters
from triton_embed.repository import config

CASES = {case.path.stem: case for case in golden.cases()}

ADDED = ("spec_version", "exported_at", "pipeline", "role", "pooling", "normalized")
RENAMED = {"int8_absmax": "int8_range", "matryoshka_dimensions": "matryoshka"}


def as_recorded(rendered: pb.ModelConfig) -> pb.ModelConfig:
    """Undo the intended changes since commit 92e22db."""
    undone = pb.ModelConfig()
    undone.CopyFrom(rendered)
    if undone.name.endswith("_direct"):
        undone.name = f"{undone.name.removesuffix('_direct')}_float"
    parameters = config.parameters(rendered)
    undone.parameters.clear()
    # Models without a spec had no parameters; now they have the id.
    for name, value in parameters.items() if "max_tokens" in parameters else ():
        if name not in ADDED:
            undone.parameters[RENAMED.get(name, name)].string_value = value
    return undone


@pytest.mark.parametrize("name", CASES)
def test_configurations_equal_the_recorded_configurations(name: str) -> None:
    rendered = [as_recorded(each) for each in CASES[name].rendered().values()]
    recorded = CASES[name].recorded()
    assert [each.name for each in rendered] == list(recorded)
    for each in rendered:
        assert each == recorded[each.name]


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
