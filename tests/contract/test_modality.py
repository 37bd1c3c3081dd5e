from __future__ import annotations

import pytest

from triton_embed.contract.modality import infer_modality
from triton_embed.contract.options import Modality

URL = "data:image/png;base64,iVBORw0KGgouLi4="
JPEG = URL.replace("png", "jpeg")


@pytest.mark.parametrize(
    ("text", "modality"),
    [
        (URL, Modality.IMAGE),
        (f"  {URL}\n", Modality.IMAGE),
        (f'<img src="{URL}"/>', Modality.IMAGE),
        (f"<IMG alt=x src='{URL}' width=3 >", Modality.IMAGE),
        (f"<img src={URL}>", Modality.IMAGE),
        (f"caption {URL}", Modality.TEXT_IMAGE),
        (f"caption\n{URL}", Modality.TEXT_IMAGE),
        (f"{URL} caption", Modality.TEXT_IMAGE),
        (f'before <img src="{URL}" /> after', Modality.TEXT_IMAGE),
        (f"{URL} {JPEG}", Modality.IMAGE),
    ],
)
def test_data_urls_are_found_bare_in_tags_and_in_text(text: str, modality: Modality) -> None:
    assert infer_modality(text) is modality


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
    assert infer_modality(text) is Modality.TEXT


@pytest.mark.parametrize("kind", ["gif", "webp", "svg+xml;charset=utf-8", "PNG", "png;name=a"])
def test_an_image_of_any_type_is_no_text(kind: str) -> None:
    assert infer_modality(f"data:image/{kind};base64,AAAA") is Modality.IMAGE
    assert infer_modality(f'see <img src="data:image/{kind};base64,AAAA">') is Modality.TEXT_IMAGE


@pytest.mark.parametrize("part", ["<img ", "data:image/", URL[:30], '<img src="' + URL])
def test_repeated_fragments_take_no_more_than_linear_time(part: str) -> None:
    text = part * (2_000_000 // len(part))
    assert isinstance(infer_modality(text), Modality)
