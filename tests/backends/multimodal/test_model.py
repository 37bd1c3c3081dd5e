"""The router within its process of Triton."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from types import ModuleType
from typing import Any
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
IMAGE = ImageInput("", b"", ImageFile("png", 64, 64, 1))


def not_canceled() -> bool:
    return False


async def prepare(images: Sequence[ImageInput], decode: object, options: Options) -> object:
    return images


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


def decoding_router(router: ModuleType, decode: Callable[[bytes], object]) -> Any:
    """Return a router whose images go through `decode` only."""
    model = router.TritonPythonModel()
    model._spec = SPEC
    model._text_model = "m_text_direct"
    model._decoding = ThreadPoolExecutor(1)
    model._decoder = MagicMock(decode=decode)
    model._image_steps = MagicMock(prepare=lambda images, decode, options: decode(images))
    return model


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

    model = decoding_router(router, decode)
    file = ImageFile("png", 64, 64, 1)
    inputs = [ImageInput("", each.encode(), file) for each in images]
    with pytest.raises(InvalidRequest, match="the image cannot be decoded") as caught:
        asyncio.run(model._embed(inputs, Options(), not_canceled))
    assert caught.value.index == index


def test_images_with_large_features_go_to_the_tower_in_parts(router: ModuleType) -> None:
    tokens = ImageTokens(9, (), (), (), "", feature_size=2048)
    model = router.TritonPythonModel()
    model._spec = replace(
        SPEC, image=ImageSpec(64, Resize.STRETCH, tokens_per_tile=1024), image_tokens=tokens
    )
    requested: list[int] = []

    async def embed(images: Sequence[ImageInput]) -> list[None]:
        requested.append(len(images))
        return [None] * len(images)

    model._image_steps = MagicMock(prepare=prepare, embed=embed)
    asyncio.run(model._embed([IMAGE] * 6, Options(), not_canceled))
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
        asyncio.run(model._embed([b"a cat", b"a dog"], Options(), not_canceled))
    assert caught.value.index is None


def test_images_beside_a_rejected_text_are_not_decoded(
    router: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    rejected = Event()

    def decode(data: bytes) -> None:
        rejected.wait()
        decoded.append(data)

    async def infer(*arguments: object) -> None:
        asyncio.get_running_loop().call_soon(rejected.set)
        raise InvalidRequest("too long")

    monkeypatch.setattr(router, "infer", infer)
    model = decoding_router(router, decode)
    with pytest.raises(InvalidRequest, match="too long") as caught:
        asyncio.run(model._embed([b"a cat", *[IMAGE] * 8], Options(), not_canceled))
    assert caught.value.index == 0
    # One was being decoded when the text was rejected.
    assert len(decoded) <= 1


def test_images_after_a_cancellation_are_not_decoded(router: ModuleType) -> None:
    canceled = Event()
    decode = MagicMock(side_effect=lambda data: canceled.set())
    model = decoding_router(router, decode)
    model._image_steps.embed = AsyncMock(return_value=[])
    with pytest.raises(router.Abandoned):
        asyncio.run(model._embed([IMAGE] * 100, Options(), canceled.is_set))
    assert decode.call_count == SPEC.max_batch_tiles


def test_next_images_are_decoded_while_the_tower_embeds(router: ModuleType) -> None:
    model = router.TritonPythonModel()
    model._spec = SPEC
    following = asyncio.Event()
    prepared = 0

    async def prepare(images: Sequence[ImageInput], decode: object, options: Options) -> object:
        nonlocal prepared
        prepared += 1
        if prepared == 2:
            following.set()
        return images

    async def embed(images: Sequence[ImageInput]) -> list[None]:
        await following.wait()
        return [None] * len(images)

    model._image_steps = MagicMock(prepare=prepare, embed=embed)
    assert len(asyncio.run(model._embed([IMAGE] * 40, Options(), not_canceled))) == 40
