"""The image tower to be exported: tiles of pixels to vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.families.registry import family_of
from triton_embed.export.families.vision import VisionFamily
from triton_embed.export.precision import FP32, Precision
from triton_embed.export.towers.head import Normalize
from triton_embed.export.towers.weights import load_tower


class Patches(nn.Module):
    """The patch embedding of a tower as one matrix product, which is faster than a convolution."""

    def __init__(self, convolution: nn.Conv2d, size: int) -> None:
        """Take the weights of `convolution` for tiles of `size` pixels."""
        super().__init__()
        (self.patch, _) = convolution.kernel_size
        self.patches = size // self.patch
        self.weight = nn.Parameter(convolution.weight.flatten(1))
        self.bias = convolution.bias

    def forward(self, pixels: Tensor) -> Tensor:
        """Map [tiles, 3, size, size] to [tiles, hidden, patches, patches]."""
        tiles, count, patch = pixels.shape[0], self.patches, self.patch
        grid = pixels.reshape(tiles, 3, count, patch, count, patch)
        rows = grid.permute(0, 2, 4, 1, 3, 5).reshape(tiles, count * count, 3 * patch * patch)
        embedded = nn.functional.linear(rows, self.weight, self.bias)
        return embedded.transpose(1, 2).reshape(tiles, -1, count, count)


class VisionTower(nn.Module):
    """Tiles to one vector each, or to the features that a language model reads.

    Attributes:
        size: Width and height of a tile, in pixels.
        gives_features: Whether the output is features.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        preprocessor: Preprocessor,
        target: str,
        precision: Precision = FP32,
    ) -> None:
        """Load the weights.

        Args:
            checkpoint: The checkpoint, whose weights are on disk.
            preprocessor: Its preprocessing of images.
            target: Name of the export's target.
            precision: The tower's precision.

        Raises:
            ExportError: weights are corrupt, incomplete, of another shape or of another model.
        """
        super().__init__()
        family = family_of(checkpoint.config)
        assert family.vision
        vision: VisionFamily = family.vision
        self._dtype: torch.dtype = getattr(torch, precision.dtype)
        self.tower = load_tower(checkpoint, family, _register(target), self._dtype)
        self.size = preprocessor.spec.size
        embeddings = vision.embeddings(self.tower)
        embeddings.patch_embedding = Patches(embeddings.patch_embedding, preprocessor.spec.size)
        self._outputs = vision.outputs
        self.gives_features = vision.markers is not None
        normalizes = checkpoint.is_normalized and not self.gives_features
        self.head = Normalize() if normalizes else nn.Identity()
        mean, std = torch.tensor(preprocessor.mean), torch.tensor(preprocessor.std)
        self.scale = nn.Buffer((1 / (255 * std))[:, None, None])
        self.shift = nn.Buffer((mean / std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed tiles.

        Args:
            pixels: uint8 [tiles, 3, size, size], RGB.

        Returns:
            Vectors, float32 [tiles, dimension], or features, float32 [tiles, tokens, width].
        """
        normalized = pixels.to(torch.float32) * self.scale - self.shift
        outputs = self._outputs(self.tower, normalized.to(self._dtype))
        result: Tensor = self.head(outputs.to(torch.float32))
        return result


def _register(target: str) -> str:
    """Register the attention of `target` with transformers, and return its name.

    All patches of a tile attend to each other, so that there is nothing to pack or to mask.
    """
    if target == "tensorrt":
        # Plain operators, which TensorRT fuses itself.
        return "eager"
    AttentionInterface.register("fused_vision", _fused)
    AttentionMaskInterface.register("fused_vision", lambda *args, **kwargs: None)
    return "fused_vision"


def _fused(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend with the kernel that both of ONNX Runtime's providers have."""
    tiles, heads, patches, head_size = query.shape
    states = [
        each.transpose(1, 2).reshape(tiles, patches, heads * head_size)
        for each in (query, key, value)
    ]
    attended = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        states,
        attrs={"num_heads": heads, "scale": scaling},
        dtype=query.dtype,
        shape=states[0].shape,
        version=1,
    )
    return attended.reshape(tiles, patches, heads, head_size), None
