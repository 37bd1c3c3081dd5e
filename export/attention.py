"""Attention over packed tokens: one lowering per export target, all with the same signature.

Each is registered with transformers' `AttentionInterface`, so that any architecture that uses
the interface can be exported without a change to its code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from export.packing import Packing


def cpu(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packing: Packing,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Un-pack, attend with ONNX Runtime's fused kernel, pack again.

    Args:
        module: The calling layer.
        query: [1, heads, tokens, head size], packed; `key` and `value` likewise.
        key: See `query`.
        value: See `query`.
        attention_mask: Unused: `packing` says which tokens see each other.
        packing: Where the tokens of each item are.
        scaling: Factor on the scores.

    Returns:
        The result, [1, tokens, heads, head size], and no attention weights.
    """
    heads, tokens, head_size = query.shape[1:]

    def padded(states: Tensor) -> Tensor:
        return packing.to_padded(states[0].transpose(0, 1).reshape(tokens, heads * head_size))

    states = padded(query)
    attended = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (states, padded(key), padded(value), None, packing.lengths.to(torch.int32)),
        attrs={"num_heads": heads, "scale": scaling},
        dtype=states.dtype,
        shape=states.shape,
        version=1,
    )
    return packing.to_packed(attended).reshape(1, tokens, heads, head_size), None


LOWERINGS = {"cpu": cpu}


def register(target: str) -> str:
    """Register the lowering of `target` and return its ``attn_implementation`` name."""
    name = f"packed_{target}"
    AttentionInterface.register(name, LOWERINGS[target])
    AttentionMaskInterface.register(name, lambda *args, **kwargs: None)
    return name
