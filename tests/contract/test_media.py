from __future__ import annotations

import base64

import pytest

from contract import media
from contract.errors import InvalidRequest
from contract.media import Image, Parsed, infer, parse
from contract.options import Modality

BYTES = b"\x89PNG\r\n\x1a\n..."
URL = "data:image/png;base64," + base64.b64encode(BYTES).decode()
JPEG = URL.replace("png", "jpeg")
PICTURE = Image("png", BYTES)


@pytest.mark.parametrize(
    ("text", "modality", "parsed"),
    [
        (URL, Modality.IMAGE, Parsed("", (PICTURE,))),
        (f"  {URL}\n", Modality.IMAGE, Parsed("", (PICTURE,))),
        (f'<img src="{URL}"/>', Modality.IMAGE, Parsed("", (PICTURE,))),
        (f"<IMG alt=x src='{URL}' width=3 >", Modality.IMAGE, Parsed("", (PICTURE,))),
        (f"<img src={URL}>", Modality.IMAGE, Parsed("", (PICTURE,))),
        (f"caption {URL}", Modality.TEXT_IMAGE, Parsed("caption", (PICTURE,))),
        (f"caption\n{URL}", Modality.TEXT_IMAGE, Parsed("caption", (PICTURE,))),
        (f"{URL} caption", Modality.TEXT_IMAGE, Parsed("caption", (PICTURE,))),
        (
            f'before <img src="{URL}" /> after',
            Modality.TEXT_IMAGE,
            Parsed("before after", (PICTURE,)),
        ),
        (f"{URL} {JPEG}", Modality.IMAGE, Parsed("", (PICTURE, Image("jpeg", BYTES)))),
    ],
)
def test_data_urls_are_found_bare_in_tags_and_in_text(
    text: str, modality: Modality, parsed: Parsed
) -> None:
    assert infer(text) is modality
    assert parse(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "data:image/",
        "data:image/png,AAAA",
        "data:image/png;base64,",
        "a data:image/ b data:image/png c",
        '<img src="https://example.org/a.png">',
        "data:text/plain;base64,AAAA",
    ],
)
def test_all_else_is_text(text: str) -> None:
    assert infer(text) is Modality.TEXT
    assert parse(text).images == ()


@pytest.mark.parametrize("kind", ["gif", "webp", "svg+xml;charset=utf-8", "PNG", "png;name=a"])
def test_an_image_of_any_type_is_no_text(kind: str) -> None:
    assert infer(f"data:image/{kind};base64,AAAA") is Modality.IMAGE
    assert infer(f'see <img src="data:image/{kind};base64,AAAA">') is Modality.TEXT_IMAGE


def test_images_other_than_png_and_jpeg_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'image/gif', but must be png or jpeg"):
        parse("data:image/gif;base64,AAAA")
    assert parse("data:image/PNG;base64,AAAA").images[0].format == "png"


def test_broken_base64_and_huge_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match="not valid base64"):
        parse("data:image/png;base64,AAAAA")
    monkeypatch.setattr(media, "MAX_IMAGE_BYTES", 1 << 20)
    with pytest.raises(InvalidRequest, match="larger than 1 MiB"):
        parse("data:image/png;base64," + "A" * (2 << 20))


@pytest.mark.parametrize("part", ["<img ", "data:image/", URL[:30], '<img src="' + URL])
def test_repeated_fragments_take_no_more_than_linear_time(part: str) -> None:
    text = part * (2_000_000 // len(part))
    assert isinstance(infer(text), Modality)
