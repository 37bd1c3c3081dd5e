"""Images for the parity gate: many sizes and shapes, both formats, gray and transparent."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.export.parity.texts import SENTENCES

SHAPES = ((0.7, 0.6), (1.0, 2.0), (1.25, 0.83), (2.4, 0.1))
"""Width and height of each image for a model with tiles, as multiples of a tile: grids of 1, 2 and
6 tiles, and an extreme shape."""

TILES_PER_SIDE = 8
"""Tiles of a model for images of any size, which are small, that take the place of one tile."""

SIZES = ((512, 512), (640, 427), (427, 640), (224, 224), (90, 60), (33, 200), (1000, 250), (16, 16))
"""Width and height of each image in RGB, in pixels."""


def parity_images() -> list[bytes]:
    """Return image files in PNG and JPEG."""
    pictures = [_draw(*size, seed) for seed, size in enumerate(SIZES)]
    files = [_file(picture, ("PNG", "JPEG")[index % 2]) for index, picture in enumerate(pictures)]
    transparent = pictures[0].copy()
    transparent.putalpha(Image.linear_gradient("L").resize(transparent.size))
    return [*files, _file(transparent, "PNG"), _file(pictures[1].convert("L"), "JPEG")]


def parity_pairs(spec: ImageSpec) -> list[tuple[bytes, str]]:
    """Return image files with the text that follows each, which may be empty.

    There are few pairs, because the towers of models whose language model reads images are slow.

    Args:
        spec: The preprocessing of images.
    """
    size = spec.size * (TILES_PER_SIDE if spec.resize is Resize.FIT else 1)
    pairs = []
    for index, (columns, rows) in enumerate(SHAPES):
        picture = _draw(max(1, round(columns * size)), max(1, round(rows * size)), index)
        file = _file(picture, ("PNG", "JPEG")[index % 2])
        pairs += [(file, ""), (file, SENTENCES[index + 2])]
    return pairs


def _draw(width: int, height: int, seed: int) -> Image.Image:
    """Return a picture of colored shapes on noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y = sorted(random.integers(0, width, 2)), sorted(random.integers(0, height, 2))
        color = tuple(map(int, random.integers(0, 256, 3)))
        draw.ellipse((x[0], y[0], x[1], y[1]), fill=color)
    return picture


def _file(picture: Image.Image, name: str) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, name)
    return buffer.getvalue()
