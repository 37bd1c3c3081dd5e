"""The properties in which the image towers of model families differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import (
    Preprocessor,
    VisionSettings,
    read_preprocessor,
)


@dataclass(frozen=True)
class ImageMarkers:
    """The text around an image in the input of a language model, as the processor writes it.

    Attributes:
        placeholder: The token that is replaced by a row of features.
        before: Before the placeholders.
        between: After each row of placeholders but the last.
        after: After the placeholders.
        separator: Between the image and the text that follows it, which may be empty.
    """

    placeholder: str
    before: str = ""
    between: str = ""
    after: str = ""
    separator: str = ""


@dataclass(frozen=True)
class VisionFamily:
    """The image tower of a family.

    Attributes:
        model_class: Name of the class of transformers that loads the tower from the checkpoint.
        default_patch_size: Width of a patch in pixels, if ``vision_config`` does not define it.
        outputs: Returns the output of a tower for normalized pixels, [tiles, 3, size, size]:
            vectors [tiles, dimension], or, with `markers`, features [tiles, tokens, width]. With
            `build_any_size`, for one image, [1, 3, height, width]: [rows, columns, width].
        preprocessor: Values of the family's image processor for keys that a file omits.
        embeddings: Returns the module of a loaded tower that has its ``patch_embedding``.
        build_any_size: Makes a module that runs on the tiles of several images of any size;
            ``None``: the tower takes tiles of one size, each by itself.
        tower_config: Name of the part of config.json that the class takes; ``None``: the whole.
        weight_names: Patterns of the names of weights, and their replacements for the class.
        read_preprocessor: Reads the preprocessing of a checkpoint.
        markers: The text around an image, if a language model reads its features; ``None``: the
            tower gives vectors in the space of the texts.
    """

    model_class: str
    default_patch_size: int
    outputs: Callable[[Any, Any], Any]
    preprocessor: Mapping[str, Any]
    embeddings: Callable[[Any], Any] = lambda tower: tower.embeddings
    build_any_size: Callable[[Any], Any] | None = None
    tower_config: str | None = "vision_config"
    weight_names: Mapping[str, str] = field(default_factory=dict)
    read_preprocessor: Callable[[Checkpoint, VisionSettings], Preprocessor] = read_preprocessor
    markers: ImageMarkers | None = None
