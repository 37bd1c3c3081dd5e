from __future__ import annotations

import base64

import pytest

from testing.images import data_url, encoded, picture, png_header, with_scans
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_input import (
    MAX_IMAGE_BYTES,
    MAX_URL_BYTES,
    ImageInput,
    read_image_input,
)
from triton_embed.contract.inputs import MAX_TEXT_BYTES
from triton_embed.contract.modality import find_images
from triton_embed.contract.options import Modality

PNG = encoded(picture())
JPEG = encoded(picture(), "JPEG")
URL = data_url(PNG)


def read(text: str, modality: Modality) -> ImageInput:
    return read_image_input(text, list(find_images(text)), modality)


@pytest.mark.parametrize(
    "text",
    [
        URL,
        f"  {URL}\n",
        f'<img src="{URL}"/>',
        f"<img src='{URL}'>",
        f'<img alt="a picture" src="{URL}" />',
        data_url(PNG, "jpeg"),
        data_url(PNG, "PNG"),
        URL.replace("image/png", "image/png;charset=utf-8"),
    ],
)
def test_image_is_read_in_every_form(text: str) -> None:
    image = read(text, Modality.IMAGE)
    assert (image.data, image.text) == (PNG, "")


def test_base64_in_lines_is_one_image() -> None:
    lines = "data:image/png;base64," + base64.encodebytes(PNG).decode()
    assert read(lines, Modality.IMAGE).data == PNG


def test_format_is_that_of_the_content() -> None:
    assert read(data_url(JPEG, "png"), Modality.IMAGE).file.format == "jpeg"


@pytest.mark.parametrize(
    "text",
    [
        f"a caption {URL}",
        f"a caption\n{URL}",
        f'a caption <img src="{URL}" />',
        f"{URL} a caption",
        f"a {URL} caption",
    ],
)
def test_text_beside_an_image_is_kept(text: str) -> None:
    image = read(text, Modality.TEXT_IMAGE)
    assert (image.text, image.data) == ("a caption", PNG)


@pytest.mark.parametrize(
    ("text", "modality", "message"),
    [
        ("a cat", Modality.IMAGE, "must be a base64 data URL"),
        ("https://example.org/cat.png", Modality.IMAGE, "must be a base64 data URL"),
        ("data:image/png;asset_id,abc", Modality.IMAGE, "must be a base64 data URL"),
        (f"{URL} {URL}", Modality.TEXT_IMAGE, "one image, but this one has 2"),
        (f"a cat {URL}", Modality.IMAGE, "must not contain text"),
        (URL, Modality.TEXT_IMAGE, "Text part must be non-empty for text_image modality"),
        ("data:image/png;base64,iVBO-_w=", Modality.IMAGE, "malformed"),
        ("data:image/png;base64,iVBORw0KG", Modality.IMAGE, "malformed"),
        (URL + "===", Modality.IMAGE, "malformed"),
        (data_url(b"GIF89a" + b"\0" * 50), Modality.IMAGE, "neither a PNG nor a JPEG"),
        (data_url(png_header(20000, 1)), Modality.IMAGE, "20000x1 pixels"),
        (data_url(png_header(16384, 16384)), Modality.IMAGE, "the maximum is 134217728"),
        (
            data_url(with_scans(encoded(picture(), "JPEG", progressive=True), 100)),
            Modality.IMAGE,
            "scans; the maximum is 64",
        ),
        (data_url(bytes(MAX_URL_BYTES)), Modality.IMAGE, "the data URL of the image has"),
        (data_url(bytes(MAX_IMAGE_BYTES + 1)), Modality.IMAGE, "26214401 bytes"),
    ],
)
def test_unsuitable_input_is_rejected_with_its_reason(
    text: str, modality: Modality, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(text, modality)
    assert message in str(caught.value)


def test_long_text_beside_an_image_is_rejected() -> None:
    text = f"{'é' * (MAX_TEXT_BYTES // 2)} {{}} {URL}"
    assert read(text.format(""), Modality.TEXT_IMAGE).text
    with pytest.raises(InvalidRequest, match="exceeds the maximum of 1048576 bytes"):
        read(text.format("a"), Modality.TEXT_IMAGE)
