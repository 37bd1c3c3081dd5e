"""The properties in which the image towers of model families differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class VisionFamily:
    """The image tower of a family whose texts and images have a tower each.

    Attributes:
        model_class: Name of the class of transformers that loads the tower from the checkpoint.
        default_patch_size: Width of a patch in pixels, if ``vision_config`` does not define it.
        embeddings: Returns the module of a loaded tower that has its ``patch_embedding``.
        vectors: Returns the vectors, [tiles, dimension], of a tower for normalized pixels,
            [tiles, 3, size, size].
        preprocessor: Values of the family's image processor for keys that a file omits.
    """

    model_class: str
    default_patch_size: int
    embeddings: Callable[[Any], Any]
    vectors: Callable[[Any, Any], Any]
    preprocessor: Mapping[str, Any]
