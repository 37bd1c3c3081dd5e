"""Encoders with a relative bias on the attention scores, MPNet and T5, run on packed tokens.

Their own forward passes compute the bias from the number of tokens they are given, which here is
that of a whole batch, and MPNet's does not use transformers' attention interface. So these call
the modules of transformers, with its weights, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import MPNetModel, T5EncoderModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from triton_embed.export.packing import Packing


class RelativeBias(nn.Module):
    """A number for each head and distance between two tokens.

    The buckets of the distances are looked up once, here: their logarithm, rounded down, need not
    come out the same in another runtime.
    """

    def __init__(
        self, weights: nn.Embedding, bucket: Callable[[Tensor], Tensor], farthest: int
    ) -> None:
        """Tabulate the bias.

        Args:
            weights: A row of [heads] for each bucket.
            bucket: The bucket of each distance, int64 [distances].
            farthest: The distance from which on all share a bucket.
        """
        super().__init__()
        with torch.no_grad():
            table = weights(bucket(torch.arange(-farthest, farthest + 1)))
        self.table = nn.Parameter(table)
        self._farthest = farthest

    def forward(self, packing: Packing) -> Tensor:
        """Return the bias of each key for each query, float32 [1, heads, longest, longest]."""
        # TensorRT clamps floating-point numbers only.
        place = torch.arange(packing.valid.shape[1], dtype=torch.float32)
        distance = (place - place[:, None]).clamp(-self._farthest, self._farthest).to(torch.int64)
        return nn.functional.embedding(distance + self._farthest, self.table).permute(2, 0, 1)[None]


class PackedMPNet(nn.Module):
    """MPNet on packed tokens, with the attention function named `attention`."""

    def __init__(self, model: MPNetModel, attention: str) -> None:
        super().__init__()
        self.config = model.config
        self.embeddings = model.embeddings
        self.layers: Any = model.encoder.layer
        self.bias = RelativeBias(
            model.encoder.relative_attention_bias,
            model.encoder.relative_position_bucket,
            farthest=128,
        )
        self._attention = ALL_ATTENTION_FUNCTIONS[attention]

    def forward(self, input_ids: Tensor, position_ids: Tensor, packing: Packing) -> BaseModelOutput:
        """Return the states of int64 [1, tokens] `input_ids` at `position_ids`."""
        states = self.embeddings(input_ids=input_ids, position_ids=position_ids)
        bias = self.bias(packing)
        for layer in self.layers:
            inner = layer.attention.attn
            size = inner.attention_head_size
            attend = partial(self._attention, packing=packing, scaling=size**-0.5)
            attended = _attended(inner, states, size, bias, attend)
            states = layer.attention.LayerNorm(attended + states)
            states = layer.output(layer.intermediate(states), states)
        return BaseModelOutput(last_hidden_state=states)


class PackedT5(nn.Module):
    """T5's encoder on packed tokens, with the attention function named `attention`."""

    def __init__(self, model: T5EncoderModel, attention: str) -> None:
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
        """Return the states of int64 [1, tokens] `input_ids`; `position_ids` are not needed."""
        states = self.encoder.embed_tokens(input_ids)
        bias = self.bias(packing)
        for block in self.encoder.block:
            attention, feed_forward = block.layer
            inner = attention.SelfAttention
            normed = attention.layer_norm(states)
            attend = partial(self._attention, packing=packing, scaling=inner.scaling)
            attended = _attended(inner, normed, inner.key_value_proj_dim, bias, attend)
            states = feed_forward(states + attended)
        return BaseModelOutput(last_hidden_state=self.encoder.final_layer_norm(states))


def _attended(
    layer: Any, states: Tensor, size: int, bias: Tensor, attend: Callable[..., Any]
) -> Tensor:
    """Return what the attention `layer`, with heads of `size`, makes of [1, tokens, hidden]."""
    heads = (
        linear(states).unflatten(-1, (-1, size)).transpose(1, 2)
        for linear in (layer.q, layer.k, layer.v)
    )
    attended, _ = attend(layer, *heads, None, position_bias=bias)
    return layer.o(attended.flatten(2))
