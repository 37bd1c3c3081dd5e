"""Token vectors in packed form, without padding, and in padded form.

Every linear layer of an exported encoder works on packed tokens, ``[tokens, hidden]``. Only
attention and some poolings need sequences side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """The positions of a batch's tokens in both forms.

    Attributes:
        gather_index: int64 [items, longest]: packed index of each padded position; 0 for padding.
        token_index: int64 [tokens]: flat padded index of each packed token.
        valid: bool [items, longest]: whether a padded position holds a token.
        pooled: bool [items, longest]: whether a padded position holds a token that is pooled;
            ``None``: all tokens are.
    """

    gather_index: Tensor
    token_index: Tensor
    valid: Tensor
    pooled: Tensor | None = None

    @property
    def pooled_positions(self) -> Tensor:
        """Mask of the padded positions whose token is pooled, bool [items, longest]."""
        return self.valid if self.pooled is None else self.pooled

    @property
    def first_pooled(self) -> Tensor:
        """Packed index of each item's first token that is pooled, int64 [items]."""
        first = self.gather_index[:, 0]
        if self.pooled is None:
            return first
        # Only tokens at the start are not pooled.
        skipped = self.lengths - self.pooled.sum(1)
        return first + torch.where(skipped < self.lengths, skipped, 0)

    @property
    def lengths(self) -> Tensor:
        """Tokens per item, int64 [items]."""
        return self.valid.sum(1)

    @cached_property
    def cumulative_lengths(self) -> Tensor:
        """Packed index of each item's first token, and the number of tokens, int32 [items + 1]."""
        return torch.cat([torch.zeros(1, dtype=torch.int64), self.lengths.cumsum(0)]).to(
            torch.int32
        )

    @cached_property
    def token_offset(self) -> Tensor:
        """Flat padded index of each packed token, then of each padding, int32 [items, longest]."""
        padding = ~self.valid.reshape(-1)
        after_tokens = self.token_index.shape[0] + padding.to(torch.int64).cumsum(0) - 1
        rank = torch.where(padding, after_tokens, self.gather_index.reshape(-1))
        position = torch.arange(rank.shape[0])
        offsets = torch.scatter(torch.zeros_like(rank), 0, rank, position)
        return offsets.reshape(self.gather_index.shape).to(torch.int32)

    def distance_mask(self, size: int, causal: bool) -> Tensor:
        """Return the pairs of positions within a sliding window, bool [longest, longest].

        Positions attend to those less than `size` away; if `causal`, only to themselves and
        preceding ones. Padding is not considered.
        """
        position = torch.arange(self.valid.shape[1])
        distance = position[:, None] - position
        return (distance < size) & (distance >= 0 if causal else distance > -size)

    def window_mask(self, size: int, causal: bool) -> Tensor:
        """Return `distance_mask` without padded keys, int32 [items, longest, longest]."""
        return (self.distance_mask(size, causal) & self.valid[:, None, :]).to(torch.int32)

    def to_padded(self, packed: Tensor) -> Tensor:
        """Return `packed` [tokens, width] as [items, longest, width]; padding holds token 0."""
        # Exported as one Gather; indexing or index_select would need several nodes.
        return torch.nn.functional.embedding(self.gather_index, packed)

    def to_packed(self, padded: Tensor) -> Tensor:
        """Return `padded` [items, longest, width] as [tokens, width]."""
        items, longest = self.gather_index.shape
        return torch.index_select(padded.reshape(items * longest, -1), 0, self.token_index)


def pack(lengths: list[int]) -> Packing:
    """Return the packing of sequences of the given `lengths`, each at least 1."""
    length = torch.tensor(lengths)[:, None]
    position = torch.arange(int(length.max()))
    valid = position < length
    return Packing(
        gather_index=torch.where(valid, length.cumsum(0) - length + position, 0),
        token_index=valid.reshape(-1).nonzero().squeeze(1),
        valid=valid,
    )
