"""The head of an encoder: pooling over packed tokens, then other modules, all in float32.

It mirrors sentence-transformers' modules of the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from triton_embed.export.checkpoint.model import (
    DenseConfig,
    HeadModule,
    LayerNormConfig,
)
from triton_embed.export.errors import ExportError
from triton_embed.export.packing import Packing


def pool_cls(states: Tensor, packing: Packing) -> Tensor:
    """Return the first pooled token of each item, [items, hidden]."""
    return torch.index_select(states, 0, packing.first_pooled)


def pool_last(states: Tensor, packing: Packing) -> Tensor:
    """Return the last token of each item, [items, hidden]."""
    return torch.index_select(states, 0, packing.gather_index[:, 0] + packing.lengths - 1)


def pool_max(states: Tensor, packing: Packing) -> Tensor:
    """Return the maximum of each component, [items, hidden]."""
    padded = packing.to_padded(states)
    return padded.masked_fill(~packing.pooled_positions[:, :, None], float("-inf")).amax(1)


def _sum(states: Tensor, packing: Packing) -> Tensor:
    return (packing.to_padded(states) * packing.pooled_positions[:, :, None]).sum(1)


def _counts(states: Tensor, packing: Packing) -> Tensor:
    # TensorRT clamps floating-point numbers only.
    return packing.pooled_positions.sum(1).to(states.dtype).clamp(min=1)[:, None]


def pool_mean(states: Tensor, packing: Packing) -> Tensor:
    """Return the mean over tokens, [items, hidden]."""
    return _sum(states, packing) / _counts(states, packing)


def pool_mean_sqrt_length(states: Tensor, packing: Packing) -> Tensor:
    """Return the sum over tokens divided by the square root of their count, [items, hidden]."""
    return _sum(states, packing) / _counts(states, packing).sqrt()


def pool_weighted_mean(states: Tensor, packing: Packing) -> Tensor:
    """Return the mean over tokens weighted by position (1, 2, …), [items, hidden]."""
    pooled = packing.pooled_positions
    position = torch.arange(1, pooled.shape[1] + 1, dtype=states.dtype)
    weights = pooled * position
    weighted = (packing.to_padded(states) * weights[:, :, None]).sum(1)
    return weighted / weights.sum(1, keepdim=True).clamp(min=1)


POOLINGS: dict[str, Callable[[Tensor, Packing], Tensor]] = {
    "cls": pool_cls,
    "max": pool_max,
    "mean": pool_mean,
    "mean_sqrt_len_tokens": pool_mean_sqrt_length,
    "weightedmean": pool_weighted_mean,
    "lasttoken": pool_last,
}
"""By the names in `checkpoint.pooling.POOLING_MODES`."""

ONE_TOKEN_POOLINGS = (("cls",), ("lasttoken",))
"""Pooling modes that take an item's vector from one of its tokens."""


class Dense(nn.Module):
    """A linear layer and its activation."""

    def __init__(self, config: DenseConfig) -> None:
        """Load the weights.

        Raises:
            ExportError: the weights do not fit `config`.
        """
        super().__init__()
        self.linear = nn.Linear(config.in_features, config.out_features, bias=config.bias)
        self.activation = getattr(nn, config.activation)()
        _load(self, config.folder)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map [items, in_features] to [items, out_features]."""
        return self.activation(self.linear(vectors))


class LayerNorm(nn.Module):
    """A layer normalization of vectors."""

    def __init__(self, config: LayerNormConfig) -> None:
        """Load the weights.

        Raises:
            ExportError: the weights do not fit `config`.
        """
        super().__init__()
        self.norm = nn.LayerNorm(config.dimension)
        _load(self, config.folder)

    def forward(self, vectors: Tensor) -> Tensor:
        """Normalize [items, dimension] over its last axis."""
        normalized: Tensor = self.norm(vectors)
        return normalized


class Normalize(nn.Module):
    """The L2 normalization of vectors."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Normalize [items, dimension] over its last axis."""
        return nn.functional.normalize(vectors, dim=-1)


def head_module(config: HeadModule) -> nn.Module:
    """Return the module of `config` with its weights.

    Raises:
        ExportError: the weights do not fit `config`.
    """
    if isinstance(config, DenseConfig):
        return Dense(config)
    return LayerNorm(config) if isinstance(config, LayerNormConfig) else Normalize()


def _load(module: nn.Module, folder: Path) -> None:
    try:
        module.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:
        raise ExportError(f"{folder.name}: the weights are corrupt: {error}") from error
