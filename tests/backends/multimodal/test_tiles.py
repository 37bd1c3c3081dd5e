from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from testing.images import encoded, picture
from triton_embed.backends.multimodal.tiles import decode
from triton_embed.contract.image_file import ImageFileError
from triton_embed.contract.image_spec import ImageSpec, Resample, Resize, Transparency

STRETCH = ImageSpec(64, Resize.STRETCH, Resample.BILINEAR)
CROP = ImageSpec(64, Resize.CROP, shortest_edge=70)
TILES = ImageSpec(64, Resize.TILES, max_tiles=6, thumbnail=True)
FIT = ImageSpec(16, Resize.FIT, longest_edge=140, max_tiles=81)

SIZES = [(80, 60), (60, 80), (33, 200), (500, 31), (64, 64), (1, 1), (129, 97)]


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES)
def test_tiles_equal_the_processor_of_siglip(size: tuple[int, int]) -> None:
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    processor = SiglipImageProcessorPil(
        size={"height": 64, "width": 64}, resample=2, do_rescale=False, do_normalize=False
    )
    _assert_equal(size, processor, STRETCH)


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES)
def test_tiles_equal_the_processor_of_clip(size: tuple[int, int]) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 70}, crop_size=64, do_rescale=False, do_normalize=False
    )
    _assert_equal(size, processor, CROP)


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES)
def test_tiles_equal_the_processor_of_pixtral(size: tuple[int, int]) -> None:
    from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

    process = PixtralImageProcessorPil(
        size={"longest_edge": 140}, patch_size=16, do_rescale=False, do_normalize=False
    )
    image = picture(*size)
    (expected,) = process(image, return_tensors="np")["pixel_values"]
    tiles = decode(encoded(image), FIT)
    grid = FIT.grid(*size)
    rows = tiles.reshape(grid.rows, grid.columns, 3, 16, 16).transpose(2, 0, 3, 1, 4)
    assert np.array_equal(rows.reshape(3, 16 * grid.rows, 16 * grid.columns), expected)


def _assert_equal(size: tuple[int, int], processor: Any, spec: ImageSpec) -> None:
    image = picture(*size)
    expected = processor(image, return_tensors="np")["pixel_values"]
    assert np.array_equal(decode(encoded(image), spec), expected)


def test_tiles_are_the_rows_of_the_grid_and_the_whole_image() -> None:
    image = picture(192, 128)
    tiles = decode(encoded(image), TILES)
    whole = np.asarray(image).transpose(2, 0, 1)
    assert tiles.shape == (7, 3, 64, 64)
    for index in range(6):
        row, column = divmod(index, 3)
        tile = whole[:, 64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        assert np.array_equal(tiles[index], tile)
    thumbnail = image.resize((64, 64), Image.Resampling.BICUBIC)
    assert np.array_equal(tiles[6], np.asarray(thumbnail).transpose(2, 0, 1))


def test_image_of_one_tile_has_no_thumbnail() -> None:
    assert decode(encoded(picture(64, 64)), TILES).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_pixel_mode_is_decoded_to_its_colors(mode: str) -> None:
    gray = picture(64, 64).convert("L")
    image = Image.fromarray(np.asarray(gray).astype(np.uint16) << 8) if mode == "I;16" else gray
    image = image if mode == "I;16" else gray.convert(mode)
    name = "JPEG" if mode == "CMYK" else "PNG"
    (tile,) = decode(encoded(image, name), STRETCH)
    tolerance = 255 if mode == "1" else 12
    difference = np.abs(tile.astype(int) - np.asarray(gray).astype(int))
    assert difference.max() <= tolerance
    assert tile.std() > 5


@pytest.mark.parametrize(
    ("transparency", "color"), [(Transparency.WHITE, 255), (Transparency.DROP, 10)]
)
def test_transparent_pixels_become_white_or_their_own_color(
    transparency: Transparency, color: int
) -> None:
    image = Image.new("RGBA", (64, 64), (10, 10, 10, 0))
    spec = ImageSpec(64, Resize.STRETCH, transparency=transparency)
    assert (decode(encoded(image), spec) == color).all()


def test_photograph_with_a_second_picture_is_decoded_to_the_first() -> None:
    first, second = picture(seed=1), picture(seed=2)
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert np.array_equal(decode(data, STRETCH), decode(encoded(first, "JPEG"), STRETCH))


def test_animation_is_decoded_to_its_first_frame() -> None:
    first, second = picture(seed=1), picture(seed=2)
    data = encoded(first, save_all=True, append_images=[second])
    assert np.array_equal(decode(data, STRETCH), decode(encoded(first), STRETCH))


def test_orientation_in_metadata_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(), "JPEG", exif=exif)
    assert np.array_equal(decode(data, STRETCH), decode(encoded(picture(), "JPEG"), STRETCH))


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_truncated_file_is_rejected(name: str) -> None:
    data = encoded(picture(), name)
    for length in (10, 100, len(data) // 2, len(data) - 30):
        with pytest.raises(ImageFileError):
            decode(data[:length], STRETCH)


def test_damaged_files_are_decoded_or_rejected() -> None:
    random = np.random.default_rng(0)
    files = [encoded(picture(40, 30), name) for name in ("PNG", "JPEG")]
    for index in range(300):
        data = bytearray(files[index % 2])
        for place in random.integers(0, len(data), 1 + index % 5):
            data[place] = random.integers(0, 256)
        try:
            assert decode(bytes(data), STRETCH).shape == (1, 3, 64, 64)
        except ImageFileError:
            continue
