"""Inference of an input's modality from the data URLs in it.

Rules of NVIDIA's NeMo Retriever Embedding NIM: an input that is one data URL is an image; an input
with text and a data URL is both; every other input is text. The URL may be bare or in an ``<img>``
tag. Nothing is ever fetched. A model for texts only reads a text with a data URL, such as Markdown
with an inline image, as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from triton_embed.contract.options import Modality
from triton_embed.contract.spec import ModelSpec

START = "data:image/"

DATA_URL = re.compile(
    r"data:image/[a-z0-9.+-]{1,32}(?:;[a-z0-9=_-]{1,64}){0,4};base64,[a-z0-9+/]+={0,2}",
    re.IGNORECASE,
)

TAG_BEFORE = re.compile(r"<img\s[^<>]{0,200}?src\s*=\s*[\"']?$", re.IGNORECASE)
TAG_AFTER = re.compile(r"[\"']?[^<>]{0,200}>")

MAX_TAG_CHARACTERS = 220
"""Characters before a URL that are searched for the start of its tag; a longer tag is not found."""


def infer_modality(text: str, spec: ModelSpec) -> Modality:
    """Return the modality in which a model reads an input for which the request has none.

    Args:
        text: The input.
        spec: The model's spec.
    """
    if START not in text:
        # Most texts; a list under overload is read before it is rejected.
        return Modality.TEXT
    modality = _content(text)
    if modality is Modality.TEXT_IMAGE and spec.is_text_only and not spec.rejects_embedded_images:
        return Modality.TEXT
    return modality


def _content(text: str) -> Modality:
    end = 0
    for start, stop in _find(text):
        if text[end:start].strip():
            return Modality.TEXT_IMAGE
        end = stop
    if not end:
        return Modality.TEXT
    return Modality.TEXT_IMAGE if text[end:].strip() else Modality.IMAGE


def _find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each data URL, including the tag around it."""
    last = 0
    position = text.find(START)
    while position >= 0:
        match = DATA_URL.match(text, position)
        if match is None:
            position = text.find(START, position + len(START))
            continue
        start, end = match.span()
        window = max(last, start - MAX_TAG_CHARACTERS)
        # The search for a tag is the most expensive part, and most URLs have none.
        if text.find("<", window, start) >= 0:
            before = TAG_BEFORE.search(text[window:start])
            after = TAG_AFTER.match(text, end)
            if before and after:
                start, end = window + before.start(), after.end()
        yield start, end
        last = end
        position = text.find(START, end)
