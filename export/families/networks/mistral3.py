"""Pixtral's image tower and Mistral 3's projector, on the tiles of several images at once."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import Mistral3Model

from triton_embed.export.image_packing import Images


class Mistral3Vision(nn.Module):
    """Tiles of images of any size to a state of the language model each.

    A tile is the square of patches that the projector merges. Only attention connects the tiles of
    an image, so that those of several images lie end to end without padding.
    """

    def __init__(self, model: Mistral3Model) -> None:
        """Share the modules of `model`."""
        super().__init__()
        tower, projector = model.vision_tower, model.multi_modal_projector
        self.merge: int = model.config.spatial_merge_size
        self.patch: int = tower.patch_size
        weight = tower.patch_conv.weight
        self.patches = nn.Linear(weight[0].numel(), len(weight), bias=False, device="meta")
        self.patches.weight = nn.Parameter(weight.flatten(1))
        self.norm = tower.ln_pre
        self.rotary = tower.patch_positional_embedding
        self.transformer = cast(Any, tower.transformer)
        self.merge_norm = projector.norm
        merging = projector.patch_merger.merging_layer
        # The weight's columns are ordered by channel, then by patch; a tile's states are not.
        columns = merging.weight.unflatten(1, (-1, self.merge**2)).transpose(1, 2).flatten(1)
        merging.weight = nn.Parameter(columns.contiguous())
        self.merging = merging
        self.first, self.act, self.second = projector.linear_1, projector.act, projector.linear_2

    @property
    def tile_patches(self) -> int:
        """Patches of a tile."""
        return self.merge**2

    def forward(self, pixels: Tensor, row: Tensor, column: Tensor, images: Images) -> Tensor:
        """Return the states of tiles.

        Args:
            pixels: [tiles, 3, size, size], normalized.
            row: Row of each tile in its image, int64 [tiles].
            column: Column of each tile in its image, int64 [tiles].
            images: The images that the tiles belong to.

        Returns:
            [tiles, hidden].
        """
        tiles, merge, patch = pixels.shape[0], self.merge, self.patch
        grid = pixels.reshape(tiles, 3, merge, patch, merge, patch).permute(0, 2, 4, 1, 3, 5)
        states = self.norm(self.patches(grid.reshape(tiles * merge**2, 3 * patch**2)))[None]
        within = torch.arange(merge)
        rows = (row[:, None] * merge + within)[:, :, None].expand(tiles, merge, merge)
        columns = (column[:, None] * merge + within)[:, None].expand(tiles, merge, merge)
        positions = torch.stack([rows, columns], dim=-1).reshape(-1, 2)
        states = self.transformer(
            states,
            attention_mask=None,
            position_embeddings=self.rotary(states, positions),
            images=images,
        ).last_hidden_state
        merged = self.merging(self.merge_norm(states).reshape(tiles, -1))
        projected: Tensor = self.second(self.act(self.first(merged)))
        return projected


def image_features(model: Mistral3Model, pixels: Tensor) -> Tensor:
    """Return the features of an image, [rows, columns, hidden], by transformers' own classes.

    Args:
        model: The model.
        pixels: The normalized image, [1, 3, height, width].
    """
    size = model.vision_tower.patch_size * model.config.spatial_merge_size
    height, width = pixels.shape[2:]
    sizes = [(height, width)]
    states = model.vision_tower(pixels, image_sizes=sizes).last_hidden_state.squeeze(0)
    # `get_image_features` of transformers 5.23 fails for an image of one token.
    features: Tensor = model.multi_modal_projector(states, sizes)
    return features.reshape(height // size, width // size, -1)
