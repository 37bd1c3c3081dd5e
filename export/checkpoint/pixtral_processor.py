"""The processor files of models whose images keep their aspect ratio, such as Pixtral."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_embed.contract.fitting import max_tiles
from triton_embed.contract.image_spec import ImageSpec, Resize, Transparency
from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import (
    MAX_SIZE,
    RESAMPLES,
    Preprocessor,
    VisionSettings,
)
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

PROCESSOR = "processor_config.json"
IMAGE_PROCESSOR = "preprocessor_config.json"


def read_pixtral_processor(checkpoint: Checkpoint, vision: VisionSettings) -> Preprocessor:
    """Read the preprocessing of Mistral 3.

    Args:
        checkpoint: The checkpoint.
        vision: Values of its family for settings that the files omit.

    Raises:
        ExportError: a file is malformed, or describes an unsupported preprocessing.
    """
    size = _tile_size(checkpoint, vision)
    processor: dict[str, Any] = read_json(checkpoint.transformer / PROCESSOR, default={})
    _check_tile_size(processor, size)
    images = processor.get("image_processor")
    if not isinstance(images, dict):
        images = read_json(checkpoint.transformer / IMAGE_PROCESSOR, default={})
    given = {name: value for name, value in images.items() if value is not None}
    values = {**vision.preprocessor, **given}
    try:
        edge = _longest_edge(values["size"])
        if not size <= edge <= MAX_SIZE:
            raise ValueError(f"longest_edge {edge} is not between {size} and {MAX_SIZE} pixels")
        spec = ImageSpec(
            size=size,
            resize=Resize.FIT,
            resample=RESAMPLES[values["resample"]],
            transparency=Transparency.WHITE,
            longest_edge=edge,
            max_tiles=max_tiles(size, edge),
            tokens_per_tile=1,
        )
        mean, std = (tuple(map(float, values[key])) for key in ("image_mean", "image_std"))
        if len(mean) != 3 or len(std) != 3 or not all(std):
            raise ValueError("image_mean and image_std are not three numbers each")
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(
            f"{PROCESSOR} or {IMAGE_PROCESSOR} describes an unsupported preprocessing: {error!r}"
        ) from None
    return Preprocessor(spec, mean, std)


def _tile_size(checkpoint: Checkpoint, vision: VisionSettings) -> int:
    """Return the width of the square of patches that becomes a token, in pixels."""
    config = Settings("config.json", checkpoint.config)
    tower = Settings("config.json: vision_config", config.object("vision_config"))
    patch = tower.integer("patch_size") or vision.default_patch_size
    return patch * (config.integer("spatial_merge_size") or 2)


def _check_tile_size(processor: Mapping[str, Any], size: int) -> None:
    """Raise ExportError if the processor makes other squares than the projector merges."""
    settings = Settings(PROCESSOR, processor)
    patch, merge = settings.integer("patch_size"), settings.integer("spatial_merge_size")
    if patch and patch * (merge or 1) != size:
        raise ExportError(
            f"{PROCESSOR}: patch_size × spatial_merge_size is {patch * (merge or 1)}, but in "
            f"config.json, a token is a square of {size} pixels"
        )


def _longest_edge(size: Any) -> int:
    """Return the maximum of both sides that ``size`` describes, in pixels."""
    if isinstance(size, dict):
        lengths = {size[key] for key in ("longest_edge", "height", "width") if key in size}
        if len(lengths) != 1:
            raise ValueError(f"size {size} has different maximums for the two sides")
        (size,) = lengths
    return int(size)
