"""Moves token vectors between the packed form, without padding, and the padded one.

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
    """Where each token of a batch of sequences sits.

    Attributes:
        pad: int64 [items, longest]: packed index of each padded place; 0 where there is no token.
        unpad: int64 [tokens]: flat padded index of each packed token.
        valid: bool [items, longest]: whether a padded place holds a token.
    """

    pad: Tensor
    unpad: Tensor
    valid: Tensor

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
        after_tokens = self.unpad.shape[0] + padding.to(torch.int64).cumsum(0) - 1
        rank = torch.where(padding, after_tokens, self.pad.reshape(-1))
        place = torch.arange(rank.shape[0])
        offsets = torch.scatter(torch.zeros_like(rank), 0, rank, place)
        return offsets.reshape(self.pad.shape).to(torch.int32)

    def near(self, size: int, causal: bool) -> Tensor:
        """Return which places see which, whether or not tokens are there, bool [longest, longest].

        A place sees those that are less than `size` away; if `causal`, only itself and those
        before it.
        """
        place = torch.arange(self.valid.shape[1])
        distance = place[:, None] - place
        return (distance < size) & (distance >= 0 if causal else distance > -size)

    def window(self, size: int, causal: bool) -> Tensor:
        """Return which tokens see which, int32 [items, longest, longest]; see `near`."""
        return (self.near(size, causal) & self.valid[:, None, :]).to(torch.int32)

    def to_padded(self, packed: Tensor) -> Tensor:
        """Return `packed` [tokens, width] as [items, longest, width]; padding holds token 0."""
        items, longest = self.pad.shape
        return torch.index_select(packed, 0, self.pad.reshape(-1)).reshape(items, longest, -1)

    def to_packed(self, padded: Tensor) -> Tensor:
        """Return `padded` [items, longest, width] as [tokens, width]."""
        items, longest = self.pad.shape
        return torch.index_select(padded.reshape(items * longest, -1), 0, self.unpad)


def pack(lengths: list[int]) -> Packing:
    """Return the packing of sequences of the given `lengths`, each at least 1."""
    length = torch.tensor(lengths)[:, None]
    place = torch.arange(int(length.max()))
    valid = place < length
    pad = torch.where(valid, length.cumsum(0) - length + place, 0)
    return Packing(pad=pad, unpad=valid.reshape(-1).nonzero().squeeze(1), valid=valid)
