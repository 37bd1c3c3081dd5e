from __future__ import annotations

import pytest

from testing.images import bomb, encoded, picture, png_header, with_scans
from triton_embed.contract.image_file import ImageFile, ImageFileError, read_image_file


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(1, 1), (80, 60), (3, 500)])
def test_header_states_format_and_size(name: str, size: tuple[int, int]) -> None:
    assert read_image_file(encoded(picture(*size), name)) == ImageFile(name.lower(), *size, 1)


def test_header_of_a_bomb_states_its_pixels_without_decoding() -> None:
    assert read_image_file(bomb(3000)).pixels == 9_000_000


def test_scans_of_a_progressive_jpeg_are_counted() -> None:
    data = encoded(picture(), "JPEG", progressive=True)
    scans = read_image_file(data).scans
    assert scans > 1
    assert read_image_file(with_scans(data, 40)).scans == scans + 40


def test_scans_inside_metadata_are_not_counted() -> None:
    thumbnail = encoded(picture(16, 16), "JPEG")
    data = encoded(picture(), "JPEG", comment=thumbnail)
    assert read_image_file(data).scans == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        encoded(picture(), "JPEG")[:100],
        png_header(0, 5),
        encoded(picture(), "WEBP"),
    ],
)
def test_other_and_headless_files_are_rejected(data: bytes) -> None:
    with pytest.raises(ImageFileError):
        read_image_file(data)


def test_every_truncation_is_read_or_rejected() -> None:
    for name in ("PNG", "JPEG"):
        data = encoded(picture(24, 16), name)
        for length in range(len(data)):
            try:
                assert read_image_file(data[:length]).pixels == 24 * 16
            except ImageFileError:
                continue
