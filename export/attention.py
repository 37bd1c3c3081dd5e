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
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Un-pack, attend with ONNX Runtime's fused kernel, pack again.

    Args:
        module: The calling layer; its `is_causal` holds where the argument is absent.
        query: [1, heads, tokens, head size], packed.
        key: Like `query`; it and `value` may have fewer heads, each shared by several of `query`.
        value: See `key`.
        attention_mask: Unused: `packing` says which tokens see each other.
        packing: Where the tokens of each item are.
        scaling: Factor on the scores.
        is_causal: Whether a token sees only itself and those before it.
        sliding_window: A token sees only those nearer than this.
        position_bias: Added to the scores, [1, heads, longest, longest].

    Returns:
        The result, [1, tokens, heads, head size], and no attention weights.
    """
    heads, tokens, head_size = query.shape[1:]
    causal = getattr(module, "is_causal", False) if is_causal is None else is_causal
    mask = (
        packing.lengths.to(torch.int32)
        if sliding_window is None
        else packing.window(sliding_window, causal)
    )
    states, keys, values = (_padded(packing, item, heads) for item in (query, key, value))
    attended = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (states, keys, values, None, mask, position_bias),
        attrs={
            "num_heads": heads,
            "scale": scaling,
            "unidirectional": int(causal and sliding_window is None),
        },
        dtype=states.dtype,
        shape=states.shape,
        version=1,
    )
    return packing.to_packed(attended).reshape(1, tokens, heads, head_size), None


def _padded(packing: Packing, states: Tensor, heads: int) -> Tensor:
    """Return `states` [1, own heads, tokens, size] as [items, longest, heads x size]."""
    own_heads, tokens, size = states.shape[1:]
    padded = packing.to_padded(states[0].transpose(0, 1).reshape(tokens, own_heads * size))
    if own_heads == heads:
        return padded
    items, longest = packing.pad.shape
    shared = padded.reshape(items, longest, own_heads, 1, size)
    repeated = shared.expand(items, longest, own_heads, heads // own_heads, size)
    return repeated.reshape(items, longest, heads * size)


LOWERINGS = {"cpu": cpu}


def register(target: str) -> str:
    """Register the lowering of `target` and return its ``attn_implementation`` name."""
    name = f"packed_{target}"
    AttentionInterface.register(name, LOWERINGS[target])
    AttentionMaskInterface.register(name, lambda *args, **kwargs: None)
    return name
