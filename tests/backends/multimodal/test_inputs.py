"""The inputs of a request to the router."""

from __future__ import annotations

import pytest

from testing.images import data_url, encoded, picture
from triton_embed.backends.multimodal.inputs import read_inputs
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_input import ImageInput
from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.contract.options import Modality, Options
from triton_embed.contract.spec import ModelSpec

SPEC = ModelSpec(
    "m",
    max_tokens=8,
    vocab_size=9,
    dimension=2,
    modalities=(Modality.TEXT, Modality.IMAGE),
    image=ImageSpec(64, Resize.STRETCH, tokens_per_tile=50),
)
FILE = encoded(picture())


@pytest.mark.parametrize("item", [FILE, data_url(FILE).encode()])
@pytest.mark.parametrize("modality", [b"", b"image"])
def test_image_is_a_file_or_a_data_url(item: bytes, modality: bytes) -> None:
    (image,) = read_inputs([item], [modality], Options(), SPEC)
    assert isinstance(image, ImageInput)
    assert image.data == FILE


def test_text_modality_makes_a_file_a_text() -> None:
    assert read_inputs([FILE], [b"text"], Options(), SPEC) == [FILE]


def test_damaged_file_is_rejected_with_its_index() -> None:
    with pytest.raises(InvalidRequest, match="without a header") as caught:
        read_inputs([b"a cat", FILE[:20]], None, Options(), SPEC)
    assert caught.value.index == 1
