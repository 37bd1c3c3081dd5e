"""Inference of an input's modality from the data URLs in it.

Rules of NVIDIA's NeMo Retriever Embedding NIM: an input that is one data URL is an image; an input
with text and a data URL is both; any other input is text. The URL may be bare or in an ``<img>``
tag. Nothing is ever fetched. A model for texts only reads a text with a data URL, such as Markdown
with an inline image, as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from string import ascii_letters, digits
from typing import NamedTuple

from triton_embed.contract.options import Modality
from triton_embed.contract.spec import ModelSpec

START = "data:image/"

HEADER = re.compile(
    r"data:image/[a-z0-9.+-]{1,32}(?:;[a-z0-9=_-]{1,64}){0,4};base64,", re.IGNORECASE
)

BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{60,1000}\r?\n)*[A-Za-z0-9+/]+={0,2}")
"""Base64, in one line, or in lines of 60 or more characters, as tools such as ``base64`` write.
Without a maximum, a URL in one line would be scanned three times: as a first line and backwards."""

ALPHABET = (ascii_letters + digits + "+/").encode()

MIN_QUICK_CHARACTERS = 1024
"""Characters from which it takes less time to search for other characters than base64's first."""

TAG_BEFORE = re.compile(r"<img\s[^<>]{0,200}?src\s*=\s*[\"']?$", re.IGNORECASE)
TAG_AFTER = re.compile(r"[\"']?[^<>]{0,200}>")

MAX_TAG_CHARACTERS = 220
"""Characters before a URL that are searched for the start of its tag; a longer tag is not found."""


def infer_modality(
    text: str, spec: ModelSpec, images: Sequence[EmbeddedImage] | None = None
) -> Modality:
    """Return the modality in which a model reads an input for which the request has none.

    Args:
        text: The input.
        spec: The model's spec.
        images: The images in `text`, if the caller has found them: a search takes as long as
            decoding them from base64.
    """
    if START not in text:
        # The common case must be cheap: under overload, every input is read before its rejection.
        return Modality.TEXT
    modality = _content(text, find_images(text) if images is None else images)
    if modality is Modality.TEXT_IMAGE and spec.is_text_only and not spec.rejects_embedded_images:
        return Modality.TEXT
    return modality


class EmbeddedImage(NamedTuple):
    """The place of an image in an input.

    Attributes:
        start: Start of the data URL or of the tag around it.
        end: Its end.
        url_start: Start of the URL.
        base64_start: Start of the base64 in the URL.
        url_end: End of the URL.
    """

    start: int
    end: int
    url_start: int
    base64_start: int
    url_end: int


def _content(text: str, images: Iterable[EmbeddedImage]) -> Modality:
    end = 0
    for image in images:
        if text[end : image.start].strip():
            return Modality.TEXT_IMAGE
        end = image.end
    if not end:
        return Modality.TEXT
    return Modality.TEXT_IMAGE if text[end:].strip() else Modality.IMAGE


def find_images(text: str) -> Iterator[EmbeddedImage]:
    """Yield the place of each data URL with an image, in order."""
    last = 0
    position = text.find(START)
    while position >= 0:
        header = HEADER.match(text, position)
        end = _base64_end(text, header.end(), is_first=not last) if header else None
        if header is None or end is None:
            position = text.find(START, position + len(START))
            continue
        start, last = _with_tag(text, last, header.start(), end)
        yield EmbeddedImage(start, last, header.start(), header.end(), end)
        position = text.find(START, last)


def _base64_end(text: str, start: int, *, is_first: bool) -> int | None:
    """Return the end of the base64 that begins at `start`; ``None`` if there is none."""
    if is_first and len(text) - start > MIN_QUICK_CHARACTERS and text.isascii():
        # Most inputs end with the base64 of their only image, and the expression is slow.
        rest = text[start:].encode()
        if not rest.rstrip(b"=").translate(None, ALPHABET) and not rest.endswith(b"==="):
            return len(text)
    found = BASE64.match(text, start)
    return found.end() if found else None


def _with_tag(text: str, last: int, start: int, end: int) -> tuple[int, int]:
    """Return the start and end of the tag around a data URL, or those of the URL."""
    window = max(last, start - MAX_TAG_CHARACTERS)
    # The search for a tag is the most expensive part, and most URLs have none.
    if text.find("<", window, start) >= 0:
        before = TAG_BEFORE.search(text[window:start])
        after = TAG_AFTER.match(text, end)
        if before and after:
            return window + before.start(), after.end()
    return start, end
