from __future__ import annotations

import pytest

from triton_embed.contract.pipeline import Pipeline, Role
from triton_embed.contract.pipelines import PIPELINES


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_ragged_inputs_are_the_only_ones_of_any_width(pipeline: Pipeline) -> None:
    """Triton compares other widths with the configuration before a step sees a request."""
    of_any_width = [
        (step.role, tensor.ragged)
        for step in pipeline.steps
        for tensor in step.inputs
        if -1 in tensor.dims
    ]
    assert set(of_any_width) == {(Role.ENCODE, True)}
