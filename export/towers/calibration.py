"""The inputs of a transformer's linear layers on some texts, which quantization adapts to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class LayerInput:
    """An input of linear layers, such as that of the projections to query, key and value.

    Attributes:
        layers: The layers that receive it.
        absmax: float32 [in_features]: maximum absolute value of each feature.
        minimum: Minimum of all features.
    """

    layers: list[nn.Linear]
    absmax: Tensor
    minimum: float

    def add(self, states: Tensor) -> None:
        """Extend the ranges by `states`, float32 [..., in_features]."""
        rows = states.reshape(-1, states.shape[-1])
        self.absmax = torch.maximum(self.absmax, rows.abs().amax(0))
        self.minimum = min(self.minimum, float(rows.min()))


@dataclass
class Observer:
    """Records the inputs of the linear layers of a module.

    Attributes:
        inputs: The inputs, in the order of their first use.
    """

    inputs: list[LayerInput] = field(default_factory=list)
    _by_layer: dict[nn.Linear, LayerInput] = field(default_factory=dict)
    _last: tuple[Tensor, LayerInput] | None = None

    def observe(self, module: nn.Module, run: Callable[[], object]) -> None:
        """Record what the linear layers of `module` receive while `run` calls it."""
        layers = [each for each in module.modules() if isinstance(each, nn.Linear)]
        hooks = [layer.register_forward_pre_hook(self._record) for layer in layers]
        try:
            with torch.no_grad():
                run()
        finally:
            for hook in hooks:
                hook.remove()
            self._last = None

    def _record(self, layer: Any, arguments: tuple[Tensor, ...]) -> None:
        (states,) = arguments
        found = self._by_layer.get(layer)
        if found is None:
            # Layers that share an input are called one after the other, with the same object.
            if self._last is not None and self._last[0] is states:
                found = self._last[1]
                found.layers.append(layer)
            else:
                found = LayerInput([layer], torch.zeros(states.shape[-1]), 0.0)
                self.inputs.append(found)
            self._by_layer[layer] = found
        found.add(states)
        self._last = states, found
