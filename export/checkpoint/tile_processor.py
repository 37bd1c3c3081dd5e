"""``processor_config.json`` of models that divide an image into a grid of tiles."""

from __future__ import annotations

from collections.abc import Mapping

from triton_embed.contract.image_spec import MAX_TILES, ImageSpec, Resample, Resize, Transparency
from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import MAX_SIZE, Preprocessor, VisionSettings
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

FILE = "processor_config.json"

NORMS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of each channel, by ``norm_type``."""


def read_tile_processor(checkpoint: Checkpoint, vision: VisionSettings) -> Preprocessor:
    """Read the preprocessing of Llama-Nemotron VL.

    Args:
        checkpoint: The checkpoint.
        vision: Values of its family for settings that the file omits.

    Raises:
        ExportError: the file is malformed, or describes an unsupported preprocessing.
    """
    values = read_json(checkpoint.transformer / FILE, default={})
    given = {name: value for name, value in values.items() if value is not None}
    settings = Settings(FILE, {**vision.preprocessor, **given})
    size, tiles = settings.integer("image_size") or 0, settings.integer("max_input_tiles") or 1
    tiled = settings.flag("dynamic_image_size") is not False
    thumbnail = tiled and settings.flag("use_thumbnail") is not False
    norm = settings.text("norm_type") or ""
    if norm not in NORMS:
        raise settings.error("norm_type", f"one of {', '.join(NORMS)}")
    if size > MAX_SIZE:
        raise settings.error("image_size", f"at most {MAX_SIZE}")
    if tiled and tiles + thumbnail > MAX_TILES:
        raise settings.error("max_input_tiles", f"at most {MAX_TILES - thumbnail}")
    mean, std = NORMS[norm]
    spec = ImageSpec(
        size=size,
        resize=Resize.TILES if tiled else Resize.STRETCH,
        resample=Resample.BICUBIC,
        transparency=Transparency.DROP,
        max_tiles=tiles if tiled else 1,
        thumbnail=thumbnail,
        tokens_per_tile=_tokens_per_tile(checkpoint, vision, size),
    )
    return Preprocessor(spec, mean, std)


def _tokens_per_tile(checkpoint: Checkpoint, vision: VisionSettings, size: int) -> int:
    config = Settings("config.json", checkpoint.config)
    tower = Settings("config.json: vision_config", config.object("vision_config"))
    patch = tower.integer("patch_size") or vision.default_patch_size
    ratio = checkpoint.config.get("downsample_ratio", 0.5)
    factor = round(1 / ratio) if isinstance(ratio, int | float) and 0 < ratio <= 1 else 0
    if not factor or size % (patch * factor) or tower.integer("image_size") not in (None, size):
        raise ExportError(
            f"config.json: patches of {patch} pixels with downsample_ratio {ratio!r} do not divide "
            f"tiles of {size} pixels, or vision_config has another image_size"
        )
    return int((size // (patch * factor)) ** 2)
