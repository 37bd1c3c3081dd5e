"""The image tower to be exported of models that take images of any size: tiles to features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from triton_embed.export.families.networks.mistral3 import Mistral3Vision
from triton_embed.export.image_packing import images_of


class AnySizeTower(nn.Module):
    """The tiles of several images, each of any number of tiles, to one row of features each.

    Attributes:
        size: Width and height of a tile, in pixels.
    """

    def __init__(
        self,
        network: Mistral3Vision,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        dtype: torch.dtype,
    ) -> None:
        """Share the modules of `network`.

        Args:
            network: The network on normalized pixels.
            size: Width and height of a tile, in pixels.
            mean: Mean of each channel, subtracted after division by 255.
            std: Standard deviation of each channel.
            dtype: Element type of the network.
        """
        super().__init__()
        self.network = network
        self.size = size
        self._dtype = dtype
        self.scale = nn.Buffer((1 / (255 * torch.tensor(std)))[:, None, None])
        self.shift = nn.Buffer((torch.tensor(mean) / torch.tensor(std))[:, None, None])

    def forward(self, pixels: Tensor, tile_position: Tensor) -> Tensor:
        """Compute the features of tiles.

        Args:
            pixels: uint8 [tiles, 3, size, size], RGB; the tiles of an image row by row.
            tile_position: int32 [tiles, 3]: row and column of a tile in its image, and 1 for the
                last tile of an image, otherwise 0.

        Returns:
            float32 [tiles, 1, hidden].
        """
        normalized = pixels.to(torch.float32) * self.scale - self.shift
        row, column, last = tile_position.to(torch.int64).unbind(1)
        images = images_of(row, column, last, self.network.tile_patches)
        features = self.network(normalized.to(self._dtype), row, column, images=images)
        return features.to(torch.float32)[:, None]
