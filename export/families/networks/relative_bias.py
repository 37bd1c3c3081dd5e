"""A relative position bias on attention scores, tabulated, and attention with it.

The forward passes of MPNet and T5 compute the bias from the number of tokens of their input, which
here is that of a whole batch, and MPNet's does not use transformers' attention interface. The
packed models therefore call the modules of transformers, with its weights, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from triton_embed.export.packing import Packing


class RelativeBias(nn.Module):
    """A number for each head and each distance between two tokens.

    The buckets of the distances are computed once, here: their logarithm, rounded down, may differ
    in another runtime.
    """

    def __init__(
        self, weights: nn.Embedding, bucket: Callable[[Tensor], Tensor], max_distance: int
    ) -> None:
        """Tabulate the bias.

        Args:
            weights: A row of [heads] for each bucket.
            bucket: Returns the bucket of each distance, int64 [distances].
            max_distance: The distance from which on all distances share a bucket.
        """
        super().__init__()
        with torch.no_grad():
            table = weights(bucket(torch.arange(-max_distance, max_distance + 1)))
        self.table = nn.Parameter(table)
        self._max_distance = max_distance

    def forward(self, packing: Packing) -> Tensor:
        """Return the bias of each key for each query, float32 [1, heads, longest, longest]."""
        # TensorRT clamps floating-point numbers only.
        column = torch.arange(packing.valid.shape[1], dtype=torch.float32)
        distance = column - column[:, None]
        row = distance.clamp(-self._max_distance, self._max_distance).to(torch.int64)
        bias = nn.functional.embedding(row + self._max_distance, self.table)
        return bias.permute(2, 0, 1)[None]


def attend_with_bias(
    layer: Any, states: Tensor, head_size: int, bias: Tensor, attend: Callable[..., Any]
) -> Tensor:
    """Run an attention layer of MPNet or T5.

    Args:
        layer: The layer, with the projections ``q``, ``k``, ``v`` and ``o``.
        states: [1, tokens, hidden].
        head_size: Components of one head.
        bias: See `RelativeBias.forward`.
        attend: The attention function, with its packing and scaling bound.

    Returns:
        [1, tokens, hidden].
    """
    heads = (
        projection(states).unflatten(-1, (-1, head_size)).transpose(1, 2)
        for projection in (layer.q, layer.k, layer.v)
    )
    attended, _ = attend(layer, *heads, None, position_bias=bias)
    return layer.o(attended.flatten(2))
