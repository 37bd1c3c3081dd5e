"""Image files for tests: drawn, and damaged."""

from __future__ import annotations

import base64
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def picture(width: int = 80, height: int = 60, seed: int = 0) -> Image.Image:
    """Return a smooth random picture in RGB."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    """Return `image` as a file of the format `name`."""
    buffer = BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def data_url(data: bytes, kind: str = "png") -> str:
    """Return a data URL that declares `kind`."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def png_header(width: int, height: int) -> bytes:
    """Return a PNG file of any size that has no picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IEND", b"")


def bomb(side: int) -> bytes:
    """Return a small PNG file with a picture of `side` × `side` black pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    compressor = zlib.compressobj(9)
    row = b"\x00" * (1 + 3 * side)
    rows = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def with_scans(jpeg: bytes, count: int) -> bytes:
    """Return a progressive JPEG file with its last scan repeated until it has `count` more."""
    start = jpeg.rindex(b"\xff\xda")
    scan = jpeg[start:-2]
    return jpeg[:-2] + scan * count + jpeg[-2:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
