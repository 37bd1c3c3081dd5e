"""Moves token vectors between the packed form, without padding, and the padded one.

Every linear layer of an exported encoder works on packed tokens, ``[tokens, hidden]``. Only
attention and some poolings need sequences side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

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

    def window(self, size: int, causal: bool) -> Tensor:
        """Return which tokens see which, int32 [items, longest, longest] of 0 and 1.

        A token sees the tokens of its item that are less than `size` away; if `causal`, only
        itself and those before it.
        """
        place = torch.arange(self.valid.shape[1])
        distance = place[:, None] - place
        near = (distance < size) & (distance >= 0 if causal else distance > -size)
        return (near & self.valid[:, None, :]).to(torch.int32)

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
