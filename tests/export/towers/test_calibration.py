"""The recorded inputs of linear layers, and the quantization that adapts to them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from triton_embed.export.towers.calibration import LayerInput, Observer
from triton_embed.export.towers.quantization import Int8Linear, quantize


class Block(nn.Module):
    """Two projections of one input, an activation and a third projection."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(vocab_size=9)
        self.query = nn.Linear(4, 4)
        self.key = nn.Linear(4, 4)
        self.output = nn.Linear(4, 2)
        self.unused = nn.Linear(4, 4)

    def forward(self, states: Tensor) -> Tensor:
        result: Tensor = self.output(nn.functional.gelu(9 * self.query(states) + self.key(states)))
        return result


@pytest.fixture
def block() -> Any:
    torch.manual_seed(0)
    return Block()


def observed(block: nn.Module, *texts: Tensor) -> list[LayerInput]:
    observer = Observer()
    observer.observe(block, lambda: [block(states) for states in texts])
    return observer.inputs


def test_layers_of_one_input_share_its_range(block: Any) -> None:
    texts = (torch.tensor([[1.0, -8.0, 0.5, 0.0]]), torch.tensor([[-3.0, 2.0, 0.0, 0.0]] * 5))
    first, second = observed(block, *texts)
    assert first.layers == [block.query, block.key]
    assert first.absmax.tolist() == [3.0, 8.0, 0.5, 0.0]
    assert first.minimum == -8.0
    assert second.layers == [block.output]
    assert not block.query._forward_pre_hooks


def test_layers_of_one_input_are_smoothed_alike(block: Any) -> None:
    quantize(block, observed(block, torch.tensor([[1.0, -8.0, 0.5, 0.0]])))
    assert block.query.smoothing is block.key.smoothing
    # The largest feature is divided by the most.
    assert int(block.query.smoothing.argmin()) == 1
    assert torch.isfinite(block.query.smoothing).all()
    assert block.query.minimum is None and int(block.query.zero_point) == 128
    assert block.unused.smoothing is None


def test_results_of_an_activation_are_shifted(block: Any) -> None:
    quantize(block, observed(block, torch.randn(64, 4)))
    assert block.output.smoothing is None
    assert -0.18 < block.output.minimum < -0.16
    assert int(block.output.zero_point) == 0


@pytest.mark.parametrize("minimum", [None, -0.17])
def test_layer_computes_the_product_of_the_float_layer(minimum: float | None) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(32, 16)
    smoothing = None if minimum else torch.rand(32) + 0.5
    layer = Int8Linear(linear, smoothing, minimum)
    states = torch.randn(8, 32)
    states = states if minimum is None else states.clamp(min=minimum)
    rows, scale, zero_point = layer._scaled(states)
    levels = (rows / scale[:, None]).round() + zero_point[:, None]
    assert levels.min() >= 0 and levels.max() <= 255
    product = (levels - layer.zero_point) * scale[:, None] @ (layer.weight * layer.scale)
    assert layer.bias is not None
    torch.testing.assert_close(product + layer.bias, linear(states), atol=0.05, rtol=0.0)


def test_states_that_are_never_seen_are_not_shifted() -> None:
    (layer,) = found = [nn.Linear(4, 2)]
    block = Block()
    block.query = layer
    quantize(block, [LayerInput(found, torch.zeros(4), 0.0)])
    assert cast(Any, block.query).minimum is None
