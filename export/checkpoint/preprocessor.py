"""``preprocessor_config.json``: the preprocessing of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from triton_embed.contract.image_spec import ImageSpec, Resample, Resize
from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

RESAMPLES = {2: Resample.BILINEAR, 3: Resample.BICUBIC}
"""By Pillow's number, which the file contains."""

MAX_SIZE = 4096
"""Maximum width of a tile, in pixels; larger than that of any published tower, so that a typing
error in a checkpoint cannot exhaust the memory of a server."""


class VisionSettings(Protocol):
    """Values of a family for settings that the files of a checkpoint omit."""

    @property
    def default_patch_size(self) -> int:
        """Width of a patch, in pixels."""

    @property
    def preprocessor(self) -> Mapping[str, Any]:
        """Values of ``preprocessor_config.json``."""


@dataclass(frozen=True)
class Preprocessor:
    """The preprocessing of images.

    Attributes:
        spec: The part that the server computes: from a file to tiles.
        mean: Mean of each channel, subtracted after division by 255.
        std: Standard deviation of each channel.
    """

    spec: ImageSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_preprocessor(checkpoint: Checkpoint, vision: VisionSettings) -> Preprocessor:
    """Read the preprocessing of a tower that takes tiles of one size.

    Args:
        checkpoint: The checkpoint.
        vision: Values of its family for settings that the files omit.

    Raises:
        ExportError: a file is missing, malformed, or describes an unsupported preprocessing.
    """
    folder = checkpoint.transformer
    tower = Settings("config.json", checkpoint.config).object("vision_config")
    patch_size = Settings("config.json: vision_config", tower).integer("patch_size")
    patch_size = patch_size or vision.default_patch_size
    name, values = _read(folder)
    config = {
        **vision.preprocessor,
        **{key: value for key, value in values.items() if value is not None},
    }
    try:
        crops = bool(config.get("do_center_crop"))
        edge = _edge(config["size"])
        size = _edge(config["crop_size"]) if crops else edge
        if not 1 <= size <= MAX_SIZE or not 1 <= edge <= MAX_SIZE:
            raise ValueError(f"size {size} is not between 1 and {MAX_SIZE} pixels")
        spec = ImageSpec(
            size=size,
            resize=Resize.CROP if crops else Resize.STRETCH,
            resample=RESAMPLES[config["resample"]],
            shortest_edge=edge if crops else 0,
            tokens_per_tile=(size // patch_size) ** 2,
        )
        mean, std = (tuple(map(float, config[key])) for key in ("image_mean", "image_std"))
        if len(mean) != 3 or len(std) != 3 or not all(std):
            raise ValueError("image_mean and image_std are not three numbers each")
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{name} describes an unsupported preprocessing: {error!r}") from None
    return Preprocessor(spec, mean, std)


def _read(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the name and the values of the file, of either generation of transformers."""
    name = "preprocessor_config.json"
    if (folder / name).is_file():
        return name, read_json(folder / name)
    name = "processor_config.json"
    values = read_json(folder / name, default={}).get("image_processor")
    if not isinstance(values, dict):
        raise ExportError(
            f"'{folder}' has no preprocessor_config.json: the preprocessing of images is unknown"
        )
    return name, values


def _edge(size: Any) -> int:
    """Return the length in pixels that ``size`` or ``crop_size`` describes."""
    if isinstance(size, dict):
        lengths = {size[key] for key in ("shortest_edge", "height", "width") if key in size}
        if len(lengths) != 1:
            raise ValueError(f"{size} is not the size of a square")
        (size,) = lengths
    return int(size)
