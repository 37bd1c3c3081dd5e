"""The images of a batch of tiles, each of any number of tiles, without padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Images:
    """The images that patches belong to.

    Attributes:
        first: Whether a tile is the first of its image, bool [tiles].
        tile_patches: Patches of a tile.
    """

    first: Tensor
    tile_patches: int

    @cached_property
    def end(self) -> Tensor:
        """Index after the last patch of each image, int64 [images]."""
        start = self.first.nonzero().squeeze(1)
        tiles = torch.full((1,), self.first.shape[0])
        return torch.cat([start[1:], tiles]) * self.tile_patches

    @cached_property
    def number(self) -> Tensor:
        """Number of the image of each patch, float32 [patches]."""
        # TensorRT has no CumSum of int64; float32 counts exactly up to 2^24 tiles.
        number = self.first.to(torch.float32).cumsum(0)
        return number[:, None].expand(-1, self.tile_patches).reshape(-1)


def images_of(row: Tensor, column: Tensor, last: Tensor, tile_patches: int) -> Images:
    """Return the images of tiles.

    An image begins at row 0 and column 0, or after the last tile of the preceding image. Either
    rule alone would let a malformed request become a part of another request's image.

    Args:
        row: Row of each tile in its image, int64 [tiles].
        column: Column of each tile in its image, int64 [tiles].
        last: Not 0 for the last tile of an image, int64 [tiles].
        tile_patches: Patches of a tile.
    """
    preceding_is_last = torch.cat([torch.ones(1, dtype=last.dtype), last[:-1]]) != 0
    return Images(((row == 0) & (column == 0)) | preceding_is_last, tile_patches)
