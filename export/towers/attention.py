"""Attention over packed tokens: one lowering per target, side by side.

A lowering is registered with transformers' ``AttentionInterface``, so that any architecture that
uses the interface can be exported without a change to its code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from triton_embed.export.packing import Packing

MASK_VALUE = -3e4
"""Added to masked scores. It is finite in half precision too: a kernel that computes scores in
tiles would turn a first tile of infinities into NaN."""


@dataclass(frozen=True)
class Attention:
    """The inputs of one attention layer.

    Attributes:
        query: [1, heads, tokens, head size], packed.
        key: [1, key heads, tokens, head size]; each key head serves heads ÷ key heads queries.
        value: Same shape as `key`.
        packing: The positions of each item's tokens.
        scaling: Factor on the scores.
        causal: Whether tokens attend to themselves and preceding tokens only.
        sliding_window: Tokens attend to those less than this distance away; ``None``: to all.
        bias: Added to the scores, [1, heads, longest, longest].
    """

    query: Tensor
    key: Tensor
    value: Tensor
    packing: Packing
    scaling: float
    causal: bool
    sliding_window: int | None
    bias: Tensor | None

    @property
    def heads(self) -> int:
        """The number of query heads."""
        return self.query.shape[1]

    def packed(self) -> list[Tensor]:
        """Return query, key and value, each [tokens, hidden] with repeated key heads."""
        return [_packed(states, self.heads) for states in (self.query, self.key, self.value)]

    def padded(self) -> list[Tensor]:
        """Return query, key and value, each [items, longest, hidden] with repeated key heads."""
        return [self.packing.to_padded(states) for states in self.packed()]


Lowering = Callable[[Attention], Tensor]
"""Returns the attended values, [tokens, hidden]."""


def cpu(layer: Attention) -> Tensor:
    """Attend to padded tokens with the fused kernel of ONNX Runtime's CPU provider."""
    packing = layer.packing
    if layer.sliding_window is None:
        return _fused(layer, packing.lengths.to(torch.int32), unidirectional=layer.causal)
    return _fused(layer, packing.window_mask(layer.sliding_window, layer.causal))


def cuda(layer: Attention) -> Tensor:
    """Attend to packed tokens with the kernel of ONNX Runtime's CUDA provider.

    The kernel supports neither causal attention nor windows. Causal attention uses the fused kernel
    on padded tokens instead; as padding comes last, causality masks it, and without another mask
    that kernel can be flash attention. A window becomes a bias, which all items share.
    """
    if layer.causal and layer.sliding_window is None:
        return _fused(layer, mask=None, unidirectional=True)
    packing, bias = layer.packing, layer.bias
    if layer.sliding_window is not None:
        # ONNX Runtime before 1.20 needs the bias of every head.
        visible = packing.distance_mask(layer.sliding_window, layer.causal)
        window = _additive_mask(visible, layer.query.dtype)
        longest = packing.valid.shape[1]
        bias = (window if bias is None else bias + window).expand(1, layer.heads, longest, longest)
    states = layer.packed()
    return torch.onnx.ops.symbolic(
        "com.microsoft::PackedMultiHeadAttention",
        (*states, None, packing.token_offset, packing.cumulative_lengths, bias),
        attrs={"num_heads": layer.heads, "scale": layer.scaling},
        dtype=layer.query.dtype,
        shape=states[0].shape,
        version=1,
    )


def tensorrt(layer: Attention) -> Tensor:
    """Attend to padded tokens in plain operators, which TensorRT fuses itself."""
    packing = layer.packing
    items, longest = packing.gather_index.shape
    query, key, value = (
        states.reshape(items, longest, layer.heads, -1).transpose(1, 2) for states in layer.padded()
    )
    visible = packing.valid[:, None, None, :]
    if layer.causal or layer.sliding_window is not None:
        visible = visible & packing.distance_mask(layer.sliding_window or longest, layer.causal)
    # Scaling first keeps the scores within the range of half precision.
    scores = torch.matmul(query * layer.scaling, key.transpose(2, 3))
    scores = scores + _additive_mask(visible, query.dtype)
    if layer.bias is not None:
        scores = scores + layer.bias
    attended = torch.matmul(torch.softmax(scores, dim=-1), value)
    hidden = layer.heads * layer.query.shape[3]
    return packing.to_packed(attended.transpose(1, 2).reshape(items, longest, hidden))


LOWERINGS: dict[str, Lowering] = {"cpu": cpu, "cuda": cuda, "tensorrt": tensorrt}
"""By the name of the target."""

_executable: set[str] = set()
"""Targets whose attention PyTorch can run at the moment; see `executable`."""


@contextmanager
def executable(target: str) -> Iterator[None]:
    """Let the attention of `target` be one that PyTorch can run, while in the block.

    The others have operators of ONNX Runtime.
    """
    _executable.add(target)
    try:
        yield
    finally:
        _executable.remove(target)


def register(target: str) -> str:
    """Register the lowering of `target` with transformers.

    Returns:
        Its name for ``attn_implementation``.
    """
    name = f"packed_{target}"

    def attend(
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Any,
        *,
        packing: Packing | None = None,
        scaling: float,
        is_causal: bool | None = None,
        sliding_window: int | None = None,
        position_bias: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, None]:
        """Implement transformers' interface.

        `packing` takes the place of `attention_mask`, or is passed as it by layers that have no
        other argument to pass on.
        """
        packing = packing or attention_mask
        assert packing is not None
        causal = getattr(module, "is_causal", False) if is_causal is None else is_causal
        layer = Attention(
            query, key, value, packing, scaling, bool(causal), sliding_window, position_bias
        )
        heads, tokens, head_size = query.shape[1:]
        lowering = tensorrt if target in _executable else LOWERINGS[target]
        return lowering(layer).reshape(1, tokens, heads, head_size), None

    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, lambda *args, **kwargs: None)
    return name


def _additive_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 for `visible` scores and MASK_VALUE for the others, [..., longest, longest]."""
    zero = torch.zeros((), dtype=dtype)
    return torch.where(visible, zero, torch.full((), MASK_VALUE, dtype=dtype))


def _fused(layer: Attention, mask: Tensor | None, unidirectional: bool = False) -> Tensor:
    """Attend to padded tokens with the kernel that both of ONNX Runtime's providers have."""
    states = layer.padded()
    attended = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (*states, None, mask, layer.bias),
        attrs={
            "num_heads": layer.heads,
            "scale": layer.scaling,
            "unidirectional": int(unidirectional),
        },
        dtype=states[0].dtype,
        shape=states[0].shape,
        version=1,
    )
    return layer.packing.to_packed(attended)


def _packed(states: Tensor, heads: int) -> Tensor:
    """Return `states` [1, own heads, tokens, head size] as [tokens, heads × head size]."""
    own_heads, tokens, head_size = states.shape[1:]
    # Removing the first axis by indexing would copy the states.
    packed = states.transpose(1, 2)
    if own_heads != heads:
        repeats = heads // own_heads
        packed = packed[:, :, :, None].expand(1, tokens, own_heads, repeats, head_size)
    return packed.reshape(tokens, heads * head_size)
