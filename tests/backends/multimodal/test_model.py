"""The router within its process of Triton."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType
from unittest.mock import AsyncMock, MagicMock

import pytest

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_file import ImageFile, ImageFileError
from triton_embed.contract.image_input import ImageInput
from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.contract.options import Options
from triton_embed.contract.pipelines import ROUTER, VISION
from triton_embed.contract.serialization import spec_to_parameters
from triton_embed.contract.spec import ModelSpec

SPEC = ModelSpec("Public/Name", 8, 9, 2, image=ImageSpec(64, Resize.STRETCH))


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, with a stand-in for the one that exists in Triton only."""
    stand_in = MagicMock()
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", stand_in)
    module = importlib.import_module("triton_embed.backends.multimodal.model")
    monkeypatch.setattr(module, "Decoder", MagicMock())
    yield module
    for name, each in list(sys.modules.items()):
        if getattr(each, "pb_utils", None) is stand_in:
            del sys.modules[name]


def test_router_calls_the_steps_of_its_model_under_another_public_name(
    router: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = MagicMock()
    monkeypatch.setattr(router, "DualSteps", steps)
    parameters = {
        name: {"string_value": value}
        for name, value in {**spec_to_parameters(SPEC), "model_id": SPEC.model_id}.items()
    }
    model = router.TritonPythonModel()
    model.initialize(
        {
            "model_name": ROUTER.triton_name("installed_name"),
            "model_config": json.dumps({"parameters": parameters}),
        }
    )
    name, _ = steps.call_args.args
    assert VISION.triton_name(name) == "installed_name_vision"
    assert model._text_model == "installed_name_text_direct"


@pytest.mark.parametrize(("images", "index"), [(["bad"], None), (["good", "good", "bad"], 2)])
def test_damaged_image_is_rejected_with_its_index_if_there_are_several(
    router: ModuleType, images: list[str], index: int | None
) -> None:
    def decode(data: bytes) -> None:
        if data == b"bad":
            raise ImageFileError("cannot be decoded")

    model = router.TritonPythonModel()
    model._spec = SPEC
    model._decoding = ThreadPoolExecutor(1)
    model._decoder = MagicMock(decode=decode)
    model._image_steps = MagicMock(embed=lambda images, decode, options: decode(images))
    file = ImageFile("png", 64, 64, 1)
    inputs = [ImageInput("", each.encode(), file) for each in images]
    with pytest.raises(InvalidRequest, match="the image cannot be decoded") as caught:
        asyncio.run(model._embed(inputs, Options()))
    assert caught.value.index == index


def test_images_with_large_features_go_to_the_tower_in_parts(router: ModuleType) -> None:
    tokens = ImageTokens(9, (), (), (), "", feature_size=2048)
    model = router.TritonPythonModel()
    model._spec = replace(
        SPEC, image=ImageSpec(64, Resize.STRETCH, tokens_per_tile=1024), image_tokens=tokens
    )
    requested: list[int] = []

    async def embed(images: list[ImageInput], decode: object, options: Options) -> list[None]:
        requested.append(len(images))
        return [None] * len(images)

    model._image_steps = MagicMock(embed=embed)
    images = [ImageInput("", b"", ImageFile("png", 64, 64, 1))] * 6
    asyncio.run(model._embed(images, Options()))
    # The features of an image have 8 MiB.
    assert requested == [4, 2]


def test_error_about_all_texts_has_no_index(
    router: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = router.TritonPythonModel()
    model._spec = SPEC
    model._text_model = "m_text_direct"
    monkeypatch.setattr(router, "infer", AsyncMock(side_effect=InvalidRequest("options")))
    with pytest.raises(InvalidRequest, match="options") as caught:
        asyncio.run(model._embed([b"a cat", b"a dog"], Options()))
    assert caught.value.index is None
