"""Format and size of an image file, read from its header without decoding it.

A server must know the cost of an image before decoding it: a file of 300 KB can describe a
picture of 90 million pixels, and each scan of a progressive JPEG is decoded over the whole picture.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"

JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG frame header (SOF), which states the picture's size (ITU T.81, B.1.1.3)."""

JPEG_SCAN = 0xDA
JPEG_END = 0xD9

NEXT_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""The next marker after the coded data of a scan, in which FF is followed by 00 or by RST0 to
RST7 (ITU T.81, B.1.1.5)."""


class ImageFileError(ValueError):
    """The bytes are not a PNG or JPEG file; the message is a sentence without its subject."""


@dataclass(frozen=True)
class ImageFile:
    """The header of an image file.

    Attributes:
        format: ``png`` or ``jpeg``, by content.
        width: In pixels, at least 1.
        height: In pixels, at least 1.
        scans: Number of passes over the picture that a decoder makes; 1 for PNG.
    """

    format: str
    width: int
    height: int
    scans: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


def is_image_file(data: bytes) -> bool:
    """Return whether `data` begins as a PNG or JPEG file does; no text does."""
    return data.startswith((PNG_SIGNATURE, JPEG_SIGNATURE))


def read_image_file(data: bytes) -> ImageFile:
    """Read the header of a PNG or JPEG file.

    The coded picture is not checked: it may be truncated or corrupt.

    Raises:
        ImageFileError: `data` is neither, or its header is incomplete.
    """
    if data.startswith(PNG_SIGNATURE):
        return _read_png(data)
    if data.startswith(JPEG_SIGNATURE):
        return _read_jpeg(data)
    raise ImageFileError("is neither a PNG nor a JPEG file")


def _read_png(data: bytes) -> ImageFile:
    # Signature, then the chunk IHDR: length, type, width, height.
    if len(data) < 24 or data[12:16] != b"IHDR":
        raise ImageFileError("is a PNG file without a header")
    width, height = struct.unpack_from(">II", data, 16)
    return _sized("png", width, height, 1)


def _read_jpeg(data: bytes) -> ImageFile:
    size: tuple[int, int] | None = None
    scans = 0
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # A fill byte.
            position += 1
            continue
        if marker == JPEG_END:
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in JPEG_FRAMES and size is None:
            if position + 9 > len(data):
                break
            height, width = struct.unpack_from(">HH", data, position + 5)
            size = width, height
        position += 2 + length
        if marker == JPEG_SCAN:
            scans += 1
            found = NEXT_JPEG_MARKER.search(data, position)
            if found is None:
                break
            position = found.start()
    if size is None or not scans:
        raise ImageFileError("is a JPEG file without a header")
    return _sized("jpeg", *size, scans)


def _sized(name: str, width: int, height: int, scans: int) -> ImageFile:
    if not width or not height:
        raise ImageFileError(f"has {width}x{height} pixels")
    return ImageFile(name, width, height, scans)
