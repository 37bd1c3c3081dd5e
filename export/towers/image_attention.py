"""Attention within each of several images whose patches lie end to end: one lowering per target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from triton_embed.export.image_packing import Images
from triton_embed.export.towers.attention import MASK_VALUE

DOMAIN, OPERATOR = "triton_embed", "ImageAttention"
"""The operator of `loop`, which `graph.image_attention` defines."""


Lowering = Callable[[Tensor, Tensor, Tensor, Images, float], Tensor]
"""Returns the attended values, [patches, hidden], given query, key and value, each [1, heads,
patches, head size], the images, and the factor on the scores."""


def loop(query: Tensor, key: Tensor, value: Tensor, images: Images, scaling: float) -> Tensor:
    """Attend to one image after the other with the fused kernel of ONNX Runtime's providers.

    Images of all sizes share an execution without padding, and the kernel holds no scores.
    """
    _, heads, patches, head_size = query.shape
    states = [
        each.transpose(1, 2).reshape(patches, heads * head_size) for each in (query, key, value)
    ]
    return torch.onnx.ops.symbolic(
        f"{DOMAIN}::{OPERATOR}",
        (*states, images.end),
        attrs={"num_heads": heads, "scale": scaling},
        dtype=query.dtype,
        shape=states[0].shape,
        version=1,
    )


def masked(query: Tensor, key: Tensor, value: Tensor, images: Images, scaling: float) -> Tensor:
    """Attend to all images at once in plain operators, which TensorRT fuses itself.

    TensorRT's loops cannot collect results of different sizes.
    """
    _, heads, patches, head_size = query.shape
    same = images.number[:, None] == images.number
    zero = torch.zeros((), dtype=query.dtype)
    mask = torch.where(same, zero, torch.full((), MASK_VALUE, dtype=query.dtype))
    # Scaling first keeps the scores within the range of half precision.
    scores = torch.matmul(query * scaling, key.transpose(2, 3)) + mask
    attended = torch.matmul(torch.softmax(scores, dim=-1), value)
    return attended.transpose(1, 2).reshape(patches, heads * head_size)


LOWERINGS: dict[str, Lowering] = {"cpu": loop, "cuda": loop, "tensorrt": masked}
"""By the name of the target."""


def register(target: str) -> str:
    """Register the lowering of `target` with transformers.

    Returns:
        Its name for ``attn_implementation``.
    """
    name = f"images_{target}"
    lowering = LOWERINGS[target]

    def attend(
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Any,
        *,
        images: Images,
        scaling: float,
        **_: Any,
    ) -> tuple[Tensor, None]:
        """Implement transformers' interface."""
        attended = lowering(query, key, value, images, scaling)
        return attended.reshape(1, query.shape[2], query.shape[1], query.shape[3]), None

    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, lambda *args, **kwargs: None)
    return name
