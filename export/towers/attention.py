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

from triton_embed.export.packing import Packing

MASKED = -3e4
"""Added to scores that must not count. Finite also in half precision: a kernel that goes through
the scores in tiles would make NaN of a first tile of infinities."""


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
    causal = _is_causal(module, is_causal)
    mask = (
        packing.lengths.to(torch.int32)
        if sliding_window is None
        else packing.window(sliding_window, causal)
    )
    unidirectional = causal and sliding_window is None
    return _unpacked(query, key, value, packing, scaling, mask, position_bias, unidirectional), None


def cuda(
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
    """Attend to packed tokens with the kernel of ONNX Runtime's CUDA provider; see `cpu`.

    The kernel knows neither causal attention nor windows. Causal attention is un-packed, for
    another kernel that does; as padding comes last, causality hides it, and without a mask that
    kernel can be flash attention. A window becomes a bias, which all items share.
    """
    causal = _is_causal(module, is_causal)
    if causal and sliding_window is None:
        return _unpacked(query, key, value, packing, scaling, None, position_bias, True), None
    heads, tokens, head_size = query.shape[1:]
    bias = position_bias
    if sliding_window is not None:
        # Before ONNX Runtime 1.20 the bias must have every head.
        window = _hiding(packing.near(sliding_window, causal), query.dtype)
        longest = packing.valid.shape[1]
        bias = (window if bias is None else bias + window).expand(1, heads, longest, longest)
    states = [_packed(item, heads) for item in (query, key, value)]
    attended = torch.onnx.ops.symbolic(
        "com.microsoft::PackedMultiHeadAttention",
        (*states, None, packing.token_offset, packing.cumulative_lengths, bias),
        attrs={"num_heads": heads, "scale": scaling},
        dtype=query.dtype,
        shape=states[0].shape,
        version=1,
    )
    return attended.reshape(1, tokens, heads, head_size), None


def tensorrt(
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
    """Un-pack, attend in plain operators, which TensorRT fuses itself, pack again; see `cpu`."""
    heads, tokens, head_size = query.shape[1:]
    items, longest = packing.pad.shape
    states, keys, values = (
        packing.to_padded(_packed(item, heads)).reshape(items, longest, heads, -1).transpose(1, 2)
        for item in (query, key, value)
    )
    causal = _is_causal(module, is_causal)
    seen = packing.valid[:, None, None, :]
    if causal or sliding_window is not None:
        seen = seen & packing.near(sliding_window or longest, causal)
    # Scaled first, so that scores stay within the range of half precision.
    scores = torch.matmul(states * scaling, keys.transpose(2, 3)) + _hiding(seen, query.dtype)
    if position_bias is not None:
        scores = scores + position_bias
    attended = torch.matmul(torch.softmax(scores, dim=-1), values)
    padded = attended.transpose(1, 2).reshape(items, longest, heads * head_size)
    return packing.to_packed(padded).reshape(1, tokens, heads, head_size), None


def _is_causal(module: nn.Module, is_causal: bool | None) -> bool:
    return bool(getattr(module, "is_causal", False) if is_causal is None else is_causal)


def _hiding(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what hides scores that are not `seen`, bool [..., longest, longest], when added."""
    nothing = torch.zeros((), dtype=dtype)
    return torch.where(seen, nothing, torch.full((), MASKED, dtype=dtype))


def _unpacked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packing: Packing,
    scaling: float,
    mask: Tensor | None,
    bias: Tensor | None,
    unidirectional: bool,
) -> Tensor:
    """Attend with the kernel that both of ONNX Runtime's providers have for padded tokens."""
    heads, tokens, head_size = query.shape[1:]
    states, keys, values = (packing.to_padded(_packed(item, heads)) for item in (query, key, value))
    attended = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (states, keys, values, None, mask, bias),
        attrs={"num_heads": heads, "scale": scaling, "unidirectional": int(unidirectional)},
        dtype=states.dtype,
        shape=states.shape,
        version=1,
    )
    return packing.to_packed(attended).reshape(1, tokens, heads, head_size)


def _packed(states: Tensor, heads: int) -> Tensor:
    """Return `states` [1, own heads, tokens, size] as [tokens, heads x size]."""
    own_heads, tokens, size = states.shape[1:]
    # Indexing the first axis away would copy them.
    packed = states.transpose(1, 2)
    if own_heads != heads:
        packed = packed[:, :, :, None].expand(1, tokens, own_heads, heads // own_heads, size)
    return packed.reshape(tokens, heads * size)


LOWERINGS = {"cpu": cpu, "cuda": cuda, "tensorrt": tensorrt}


def register(target: str) -> str:
    """Register the lowering of `target` and return its ``attn_implementation`` name."""
    name = f"packed_{target}"
    AttentionInterface.register(name, LOWERINGS[target])
    AttentionMaskInterface.register(name, lambda *args, **kwargs: None)
    return name
