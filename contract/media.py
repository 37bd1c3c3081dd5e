"""Finds images in an input: data URLs, bare, in an ``<img>`` tag, or inside a text.

Rules of NVIDIA's NeMo Retriever Embedding NIM: an input that is one data URL is an image; one
with text and an embedded data URL is both; all else is text. Nothing is ever fetched.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from contract.errors import InvalidRequest
from contract.options import Modality

MAX_IMAGE_BYTES = 25 << 20
"""Decoded size of one image."""

START = "data:image/"

DATA_URL = re.compile(
    r"data:image/([a-z0-9.+-]{1,32})(?:;[a-z0-9=_-]{1,64}){0,4};base64,([a-z0-9+/]+={0,2})",
    re.IGNORECASE,
)

FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg"}
"""By the names that data URLs have for them."""

TAG_BEFORE = re.compile(r"<img\s[^<>]{0,200}?src\s*=\s*[\"']?$", re.IGNORECASE)
TAG_AFTER = re.compile(r"[\"']?[^<>]{0,200}>")

LONGEST_TAG = 220
"""Characters in which the part of a tag before its URL is looked for."""


@dataclass(frozen=True)
class Image:
    """An encoded image.

    Attributes:
        format: ``png`` or ``jpeg``.
        data: The file's bytes.
    """

    format: str
    data: bytes


@dataclass(frozen=True)
class Parsed:
    """An input taken apart.

    Attributes:
        text: What is left when the images are taken out, without surrounding blanks.
        images: The images, in order.
    """

    text: str
    images: tuple[Image, ...]


@dataclass(frozen=True)
class _Found:
    start: int
    end: int
    format: str
    data: str


def infer(text: str) -> Modality:
    """Return the modality of an input whose sender did not say it."""
    end = 0
    for item in _find(text):
        if text[end : item.start].strip():
            return Modality.TEXT_IMAGE
        end = item.end
    if not end:
        return Modality.TEXT
    return Modality.TEXT_IMAGE if text[end:].strip() else Modality.IMAGE


def parse(text: str) -> Parsed:
    """Take the images out of an input.

    Raises:
        InvalidRequest: an image is neither png nor jpeg, not valid base64, or too large.
    """
    found = list(_find(text))
    return Parsed(_rest(text, found), tuple(_decode(item) for item in found))


def _find(text: str) -> Iterator[_Found]:
    """Yield every data URL, each together with the tag around it."""
    last = 0
    position = text.find(START)
    while position >= 0:
        match = DATA_URL.match(text, position)
        if match is None:
            position = text.find(START, position + len(START))
            continue
        start, end = match.span()
        window = max(last, start - LONGEST_TAG)
        # Looking for a tag costs more than all else, and most URLs have none.
        if text.find("<", window, start) >= 0:
            before = TAG_BEFORE.search(text[window:start])
            after = TAG_AFTER.match(text, end)
            if before and after:
                start, end = window + before.start(), after.end()
        yield _Found(start, end, match[1].lower(), match[2])
        last = end
        position = text.find(START, end)


def _rest(text: str, found: list[_Found]) -> str:
    kept: list[str] = []
    position = 0
    for item in found:
        kept.append(text[position : item.start].strip())
        position = item.end
    kept.append(text[position:].strip())
    return " ".join(filter(None, kept))


def _decode(item: _Found) -> Image:
    if item.format not in FORMATS:
        raise InvalidRequest(
            f"'input': an image is of type 'image/{item.format}', but must be png or jpeg",
            param="input",
        )
    if len(item.data) * 3 // 4 > MAX_IMAGE_BYTES:
        raise InvalidRequest(
            f"'input': an image is larger than {MAX_IMAGE_BYTES >> 20} MiB", param="input"
        )
    try:
        return Image(FORMATS[item.format], base64.b64decode(item.data, validate=True))
    except binascii.Error as error:
        raise InvalidRequest(
            f"'input': an image is not valid base64: {error}", param="input"
        ) from None
