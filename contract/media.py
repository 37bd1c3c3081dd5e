"""Finds images in an input: data URLs, bare, in an ``<img>`` tag, or inside a text.

Rules of NVIDIA's NeMo Retriever Embedding NIM: an input that is one data URL is an image; one
with text and an embedded data URL is both; all else is text. Nothing is ever fetched.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from contract.errors import InvalidRequest
from contract.options import Modality

MAX_IMAGE_BYTES = 25 << 20
"""Decoded size of one image."""

START = "data:image/"

DATA_URL = re.compile(r"data:image/(png|jpeg|jpg);base64,([A-Za-z0-9+/]+={0,2})")

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
    found = _find(text)
    if not found:
        return Modality.TEXT
    return Modality.TEXT_IMAGE if _rest(text, found) else Modality.IMAGE


def parse(text: str) -> Parsed:
    """Take the images out of an input.

    Raises:
        InvalidRequest: an image is not valid base64, or too large.
    """
    found = _find(text)
    return Parsed(_rest(text, found), tuple(_decode(item) for item in found))


def _find(text: str) -> list[_Found]:
    """Return every data URL, each together with the tag around it."""
    found: list[_Found] = []
    position = text.find(START)
    while position >= 0:
        match = DATA_URL.match(text, position)
        if match is None:
            position = text.find(START, position + len(START))
            continue
        start, end = match.span()
        window = max(found[-1].end if found else 0, start - LONGEST_TAG)
        before = TAG_BEFORE.search(text[window:start])
        after = TAG_AFTER.match(text, end)
        if before and after:
            start, end = window + before.start(), after.end()
        kind = "png" if match[1] == "png" else "jpeg"
        found.append(_Found(start, end, kind, match[2]))
        position = text.find(START, end)
    return found


def _rest(text: str, found: list[_Found]) -> str:
    kept: list[str] = []
    position = 0
    for item in found:
        kept.append(text[position : item.start].strip())
        position = item.end
    kept.append(text[position:].strip())
    return " ".join(filter(None, kept))


def _decode(item: _Found) -> Image:
    if len(item.data) * 3 // 4 > MAX_IMAGE_BYTES:
        raise InvalidRequest(
            f"'input': an image is larger than {MAX_IMAGE_BYTES >> 20} MiB", param="input"
        )
    try:
        return Image(item.format, base64.b64decode(item.data, validate=True))
    except binascii.Error as error:
        raise InvalidRequest(
            f"'input': an image is not valid base64: {error}", param="input"
        ) from None
