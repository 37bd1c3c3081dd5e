from __future__ import annotations

from dataclasses import replace

import pytest

from triton_embed.contract.modality import BASE64, find_images, infer_modality
from triton_embed.contract.options import Modality
from triton_embed.contract.spec import ModelSpec

URL = "data:image/png;base64,iVBORw0KGgouLi4="
JPEG = URL.replace("png", "jpeg")

TEXT_MODEL = ModelSpec("m", max_tokens=8, vocab_size=9, dimension=4)
IMAGE_MODEL = replace(TEXT_MODEL, modalities=tuple(Modality))


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
    assert infer_modality(text, IMAGE_MODEL) is modality


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
def test_input_without_a_data_url_is_text(text: str) -> None:
    assert infer_modality(text, IMAGE_MODEL) is Modality.TEXT


@pytest.mark.parametrize("kind", ["gif", "webp", "svg+xml;charset=utf-8", "PNG", "png;name=a"])
def test_image_of_any_type_is_an_image(kind: str) -> None:
    assert infer_modality(f"data:image/{kind};base64,AAAA", IMAGE_MODEL) is Modality.IMAGE
    assert (
        infer_modality(f'see <img src="data:image/{kind};base64,AAAA">', IMAGE_MODEL)
        is Modality.TEXT_IMAGE
    )


@pytest.mark.parametrize(
    ("part", "modality"),
    [
        ("<img ", Modality.TEXT),
        ("data:image/", Modality.TEXT),
        (URL[:30], Modality.TEXT_IMAGE),
        ('<img src="' + URL, Modality.TEXT_IMAGE),
    ],
)
def test_repeated_fragments_are_not_searched_again_for_each(part: str, modality: Modality) -> None:
    # With a quadratic search, these two megabytes would take hours.
    assert infer_modality(part * (2_000_000 // len(part)), IMAGE_MODEL) is modality


@pytest.mark.parametrize("end", ["", "=", "==", "===", "=A", "\n", " a", "é", "A" * 61 + "\r\nA"])
def test_end_of_a_long_url_is_that_of_the_expression(end: str) -> None:
    encoded = "aB3+/" * 1000 + end
    (image,) = find_images(f"caption data:image/png;base64,{encoded}")
    expected = BASE64.match(encoded)
    assert expected
    assert image.url_end - image.base64_start == expected.end()


@pytest.mark.parametrize("text", [f"![chart]({URL}) shows", f'a <img src="{URL}"> b', f"{URL} x"])
def test_text_model_reads_an_embedded_image_as_text(text: str) -> None:
    assert infer_modality(text, TEXT_MODEL) is Modality.TEXT
    rejecting = replace(TEXT_MODEL, rejects_embedded_images=True)
    assert infer_modality(text, rejecting) is Modality.TEXT_IMAGE


@pytest.mark.parametrize("text", [URL, f" {URL}\n", f'<img src="{URL}">'])
def test_input_that_is_only_an_image_is_an_image_for_a_text_model(text: str) -> None:
    assert infer_modality(text, TEXT_MODEL) is Modality.IMAGE
