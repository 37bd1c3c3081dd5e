"""The exported image tower of models that take images of any size: tiles to features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.families.networks.mistral3 import Mistral3Vision
from triton_embed.export.families.registry import family_of
from triton_embed.export.image_packing import images_of
from triton_embed.export.precision import FP32, Precision
from triton_embed.export.towers.image_attention import register
from triton_embed.export.towers.weights import load_tower


class AnySizeTower(nn.Module):
    """The tiles of several images, each of any number of tiles, to one row of features each.

    Attributes:
        size: Width and height of a tile, in pixels.
    """

    def __init__(
        self, network: Mistral3Vision, preprocessor: Preprocessor, dtype: torch.dtype
    ) -> None:
        """Share the modules of `network`.

        Args:
            network: The network on normalized pixels.
            preprocessor: The preprocessing of images.
            dtype: Element type of the network.
        """
        super().__init__()
        self.network = network
        self.size = preprocessor.spec.size
        self._dtype = dtype
        mean, std = torch.tensor(preprocessor.mean), torch.tensor(preprocessor.std)
        self.scale = nn.Buffer((1 / (255 * std))[:, None, None])
        self.shift = nn.Buffer((mean / std)[:, None, None])

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


def load_any_size_tower(
    checkpoint: Checkpoint, preprocessor: Preprocessor, target: str, precision: Precision = FP32
) -> AnySizeTower:
    """Return the tower of a checkpoint, in evaluation mode.

    Args:
        checkpoint: The checkpoint, whose weights are on disk.
        preprocessor: Its preprocessing of images.
        target: Name of the export's target.
        precision: The tower's precision.

    Raises:
        ExportError: weights are corrupt, incomplete, of another shape or of another model.
    """
    family = family_of(checkpoint.config)
    assert family.vision and family.vision.build_any_size
    dtype: torch.dtype = getattr(torch, precision.dtype)
    model = load_tower(checkpoint, family, register(target), dtype)
    return AnySizeTower(family.vision.build_any_size(model), preprocessor, dtype).eval()
