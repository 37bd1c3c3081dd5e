"""Inputs with an image: the image file in a data URL, and the text around it.

Rules of NVIDIA's NeMo Retriever Embedding NIM. Clients declare the wrong type, such as PNG for a
JPEG file, so that only the content of a file counts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_file import ImageFile, ImageFileError, read_image_file
from triton_embed.contract.inputs import validate_text_size
from triton_embed.contract.modality import EmbeddedImage
from triton_embed.contract.options import Modality

MAX_IMAGE_BYTES = 25 << 20
"""Maximum bytes of an image file; the limit of NVIDIA's NIM. A gateway may have a lower one."""

MAX_URL_BYTES = MAX_IMAGE_BYTES * 4 // 3 + 1024
"""Maximum bytes of the data URL of an image: base64 has four for three of the file."""

MAX_IMAGE_SIDE = 16384
"""Maximum width and height of an image, in pixels."""

MAX_IMAGE_PIXELS = 8192 * 16384
"""Maximum pixels of an image: the largest picture that NVIDIA documents. Decoding takes up to
12 bytes of memory per pixel."""

MAX_SCANS = 64
"""Maximum scans of a JPEG file. Encoders write about ten; each is decoded over the whole picture,
so that thousands in a small file would take minutes."""

MALFORMED = frozenset("-_%=")
"""Characters after a data URL that show that its base64 is not in the standard alphabet."""


@dataclass(frozen=True)
class ImageInput:
    """An input with an image.

    Attributes:
        text: The text around it, stripped; empty if there is none.
        data: The image file.
        file: Its header.
    """

    text: str
    data: bytes
    file: ImageFile


def read_image_input(
    text: str,
    found: Sequence[EmbeddedImage],
    modality: Modality,
    max_url_bytes: int = MAX_URL_BYTES,
) -> ImageInput:
    """Split an input of modality image or text_image into its text and its image.

    Args:
        text: The input.
        found: The images in it, see `find_images`.
        modality: Its modality.
        max_url_bytes: Maximum bytes of the data URL.

    Raises:
        InvalidRequest: the input does not fit its modality, its image is malformed, or its image or
            text is too large.
    """
    if not found:
        raise _invalid("an image must be a base64 data URL, such as 'data:image/png;base64,...'")
    if len(found) > 1:
        raise _invalid(f"an input can have one image, but this one has {len(found)}")
    (image,) = found
    size = image.url_end - image.url_start
    if size > max_url_bytes:
        raise _invalid(
            f"the data URL of the image has {size} bytes; the maximum is {max_url_bytes}"
        )
    if text[image.url_end : image.url_end + 1] in MALFORMED:
        raise _invalid("the base64 of the image is malformed: only A-Z, a-z, 0-9, + and / are used")
    beside = f"{text[: image.start].strip()} {text[image.end :].strip()}".strip()
    validate_text_size(len(beside.encode()))
    if modality is Modality.IMAGE and beside:
        raise _invalid("with modality 'image', the input must not contain text")
    if modality is Modality.TEXT_IMAGE and not beside:
        # The message of NVIDIA's NIM.
        raise _invalid("Text part must be non-empty for text_image modality")
    return replace(read_image(_decode(text[image.base64_start : image.url_end])), text=beside)


def read_image(data: bytes) -> ImageInput:
    """Return the input that is an image file.

    Raises:
        InvalidRequest: the file is too large, or neither PNG nor JPEG.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise _invalid(f"the image has {len(data)} bytes; the maximum is {MAX_IMAGE_BYTES}")
    return ImageInput("", data, _read_file(data))


def _decode(encoded: str) -> bytes:
    if "\n" in encoded:
        encoded = encoded.replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise _invalid(f"the base64 of the image is malformed: {error}") from None


def _read_file(data: bytes) -> ImageFile:
    try:
        file = read_image_file(data)
    except ImageFileError as error:
        raise _invalid(f"the image {error}") from None
    if file.pixels > MAX_IMAGE_PIXELS or max(file.width, file.height) > MAX_IMAGE_SIDE:
        raise _invalid(
            f"the image has {file.width}x{file.height} pixels; the maximum is {MAX_IMAGE_PIXELS} "
            f"pixels, and {MAX_IMAGE_SIDE} per side"
        )
    if file.scans > MAX_SCANS:
        raise _invalid(f"the image has {file.scans} scans; the maximum is {MAX_SCANS}")
    return file


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(f"'input': {message}", param="input")
