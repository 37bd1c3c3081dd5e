"""Decoding of an image file into the tiles that an image tower takes.

The result equals that of the checkpoint's own processor, except that Pillow and torchvision round
some pixels differently, by at most one level of 255.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin

from triton_embed.contract.image_file import ImageFileError, read_image_file
from triton_embed.contract.image_spec import ImageSpec, Resample, Resize, Transparency

FILTERS = {
    Resample.BILINEAR: Image.Resampling.BILINEAR,
    Resample.BICUBIC: Image.Resampling.BICUBIC,
}

MAX_PNG_TEXT_BYTES = 1 << 20
"""Maximum bytes of all text chunks of a PNG file, inflated. Pillow reads these unused chunks, up to
64 MiB by default."""

PngImagePlugin.MAX_TEXT_MEMORY = MAX_PNG_TEXT_BYTES


def decode(data: bytes, spec: ImageSpec) -> NDArray[np.uint8]:
    """Decode an image file.

    Args:
        data: A PNG or JPEG file.
        spec: The model's preprocessing.

    Returns:
        uint8 [tiles, 3, size, size]: RGB, the rows of a grid from left to right, then the
        thumbnail.

    Raises:
        ImageFileError: the file is truncated or corrupt.
    """
    try:
        image = _rgb(_open(data), spec.transparency)
        return _tiles(image, spec)
    except MemoryError:
        raise ImageFileError("needs too much memory") from None
    # Pillow's parsers raise many kinds of errors for corrupt files.
    except Exception as error:
        raise ImageFileError(f"cannot be decoded: {error}") from None


def _open(data: bytes) -> Image.Image:
    """Return the image, decoded.

    The plugins are called directly: `Image.open` would read a photograph with a second picture in
    its file as another format, and has parsers for forty more.
    """
    file = read_image_file(data)
    plugin = {
        "png": PngImagePlugin.PngImageFile,
        "jpeg": JpegImagePlugin.JpegImageFile,
    }[file.format]
    image = plugin(BytesIO(data))
    image.load()
    if image.size != (file.width, file.height):
        raise ImageFileError("its headers state different sizes")
    return image


def _rgb(image: Image.Image, transparency: Transparency) -> Image.Image:
    """Return `image` in RGB, with 8 bits per channel."""
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit gray at 255.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if transparency is Transparency.WHITE and image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _tiles(image: Image.Image, spec: ImageSpec) -> NDArray[np.uint8]:
    if spec.resize is Resize.CROP:
        return _split(_center(image, spec), spec.size)
    grid = spec.grid(*image.size)
    whole = _resized(image, grid.columns * spec.size, grid.rows * spec.size, spec)
    tiles = _split(whole, spec.size)
    if spec.thumbnail and grid.tiles > 1:
        thumbnail = _resized(image, spec.size, spec.size, spec)
        return np.concatenate([tiles, _split(thumbnail, spec.size)])
    return tiles


def _split(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Return the tiles of an image whose sides are multiples of `size`, row by row."""
    rows, columns = image.height // size, image.width // size
    pixels = np.asarray(image).reshape(rows, size, columns, size, 3).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(pixels).reshape(rows * columns, 3, size, size)


def _resized(image: Image.Image, width: int, height: int, spec: ImageSpec) -> Image.Image:
    return image.resize((width, height), FILTERS[spec.resample])


def _center(image: Image.Image, spec: ImageSpec) -> Image.Image:
    """Return a square crop at the center of the resized image, as CLIP's processor does."""
    shorter, longer = sorted(image.size)
    edge = spec.shortest_edge
    length = edge * longer // shorter
    width, height = (edge, length) if image.width <= image.height else (length, edge)
    resized = _resized(image, width, height, spec)
    left, top = (width - spec.size) // 2, (height - spec.size) // 2
    # Outside of the image, a crop is black.
    return resized.crop((left, top, left + spec.size, top + spec.size))
