"""Images of a column as data URLs: files, bytes, or data URLs already."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from triton_embed.contract.image_input import MAX_IMAGE_BYTES
from triton_embed.contract.modality import START

PNG = b"\x89PNG"


class UnusableImage(Exception):
    """A value is not an image; the message states the reason."""


def data_url(value: Any, folder: Path) -> str:
    """Return the data URL of an image.

    Args:
        value: A data URL, the path of a file, the bytes of a file, or a dictionary with ``bytes``
            or ``path``, as in Hugging Face's datasets.
        folder: Folder of the input file, to which paths are relative.

    Raises:
        UnusableImage: it is none of these, or its file cannot be read.
    """
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and value.startswith(START):
        return value
    if isinstance(value, str) and value:
        value = _file(folder / value)
    if not isinstance(value, bytes) or not value:
        raise UnusableImage("the image is empty or null")
    kind = "png" if value.startswith(PNG) else "jpeg"
    return f"{START}{kind};base64,{base64.b64encode(value).decode('ascii')}"


def _file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_IMAGE_BYTES:
            raise UnusableImage(
                f"the image '{path}' has {size} bytes; the maximum is {MAX_IMAGE_BYTES}"
            )
        return path.read_bytes()
    except OSError as error:
        raise UnusableImage(f"the image '{path}' cannot be read: {error.strerror}") from error
