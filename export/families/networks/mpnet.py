"""MPNet on packed tokens."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from transformers import MPNetModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from triton_embed.export.families.networks.relative_bias import RelativeBias, attend_with_bias
from triton_embed.export.packing import Packing

MAX_DISTANCE = 128
"""The default of ``max_distance`` in MPNet's ``relative_position_bucket``, which no setting
changes."""


class PackedMPNet(nn.Module):
    """MPNet on packed tokens."""

    def __init__(self, model: MPNetModel, attention: str) -> None:
        """Share the modules of `model`, with the attention function named `attention`."""
        super().__init__()
        self.config = model.config
        self.embeddings = model.embeddings
        self.layers: Any = model.encoder.layer
        self.bias = RelativeBias(
            model.encoder.relative_attention_bias,
            model.encoder.relative_position_bucket,
            MAX_DISTANCE,
        )
        self._attention = ALL_ATTENTION_FUNCTIONS[attention]

    def forward(self, input_ids: Tensor, position_ids: Tensor, packing: Packing) -> BaseModelOutput:
        """Return the states of the tokens `input_ids`, int64 [1, tokens], at `position_ids`."""
        states = self.embeddings(input_ids=input_ids, position_ids=position_ids)
        bias = self.bias(packing)
        for layer in self.layers:
            inner = layer.attention.attn
            head_size = inner.attention_head_size
            attend = partial(self._attention, packing=packing, scaling=head_size**-0.5)
            attended = attend_with_bias(inner, states, head_size, bias, attend)
            states = layer.attention.LayerNorm(attended + states)
            states = layer.output(layer.intermediate(states), states)
        return BaseModelOutput(last_hidden_state=states)
