"""T5's encoder on packed tokens."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from torch import Tensor, nn
from transformers import T5EncoderModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from triton_embed.export.families.networks.relative_bias import RelativeBias, attend_with_bias
from triton_embed.export.packing import Packing


class PackedT5(nn.Module):
    """T5's encoder on packed tokens."""

    def __init__(self, model: T5EncoderModel, attention: str) -> None:
        """Share the modules of `model`, with the attention function named `attention`."""
        super().__init__()
        self.config = model.config
        self.encoder = cast(Any, model.encoder)
        first = self.encoder.block[0].layer[0].SelfAttention

        def bucket(distance: Tensor) -> Tensor:
            return first._relative_position_bucket(
                distance,
                num_buckets=first.relative_attention_num_buckets,
                max_distance=first.relative_attention_max_distance,
            )

        self.bias = RelativeBias(
            first.relative_attention_bias, bucket, first.relative_attention_max_distance
        )
        self._attention = ALL_ATTENTION_FUNCTIONS[attention]

    def forward(self, input_ids: Tensor, position_ids: Tensor, packing: Packing) -> BaseModelOutput:
        """Return the states of `input_ids`, int64 [1, tokens]; `position_ids` are unused."""
        states = self.encoder.embed_tokens(input_ids)
        bias = self.bias(packing)
        for block in self.encoder.block:
            attention, feed_forward = block.layer
            inner = attention.SelfAttention
            normed = attention.layer_norm(states)
            attend = partial(self._attention, packing=packing, scaling=inner.scaling)
            attended = attend_with_bias(inner, normed, inner.key_value_proj_dim, bias, attend)
            states = feed_forward(states + attended)
        return BaseModelOutput(last_hidden_state=self.encoder.final_layer_norm(states))
