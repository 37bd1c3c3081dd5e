"""Images of a column as data URLs: files, bytes, or data URLs already."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from triton_embed.contract.image_input import MAX_IMAGE_BYTES
from triton_embed.contract.modality import START

MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg"}
"""First bytes of the formats that servers accept."""


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
    if value is None or value in ("", b""):
        raise UnusableImage("the image is empty or null")
    if isinstance(value, str):
        return _encoded(_file(value, folder), f"the image '{value}'")
    if not isinstance(value, bytes):
        kind = type(value).__name__
        raise UnusableImage(f"the image is of the type {kind}, not a path, bytes, or a data URL")
    return _encoded(value, "the image")


def _file(name: str, folder: Path) -> bytes:
    if name.startswith(("http://", "https://")):
        raise UnusableImage(f"the image '{name}' is a URL, which is not fetched; give a file")
    path = folder / name
    try:
        # One byte more than allowed, so that a file of any size is not read as a whole.
        with path.open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except OSError as error:
        raise UnusableImage(f"the image '{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UnusableImage(f"the image {name!r} cannot be read: {error}") from error


def _encoded(content: bytes, name: str) -> str:
    """Return the data URL of the content of a file."""
    if not content:
        raise UnusableImage(f"{name} is empty")
    if len(content) > MAX_IMAGE_BYTES:
        raise UnusableImage(f"{name} has more than {MAX_IMAGE_BYTES} bytes, the maximum")
    for magic, kind in MAGIC.items():
        if content.startswith(magic):
            return f"{START}{kind};base64,{base64.b64encode(content).decode('ascii')}"
    raise UnusableImage(f"{name} is neither PNG nor JPEG")
