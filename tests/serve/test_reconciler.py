from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from triton_embed.serve.admin_client import AdminClient
from triton_embed.serve.reconciler import Reconciler
from triton_embed.serve.settings import Settings


class RefusingTriton(AdminClient):
    """Loads nothing; with `removed`, because the folder has gone by then."""

    def __init__(self, removed: Path | None = None) -> None:
        self._removed = removed

    async def load(self, model: str, config: str | None = None) -> None:
        if self._removed:
            shutil.rmtree(self._removed)
        raise InferenceServerException(f"failed to open directory {model}")

    async def unload(self, model: str) -> None:
        pass

    async def failures(self, among: Collection[str] | None = None) -> dict[str, str]:
        return {}


class ObedientTriton(AdminClient):
    """Notes what it is asked for.

    Attributes:
        asked: What it was.
        refused: What it does not load.
    """

    def __init__(self, broken: Collection[str] = ()) -> None:
        self._broken = broken
        self.asked: list[str] = []
        self.refused: Collection[str] = ()

    async def load(self, model: str, config: str | None = None) -> None:
        self.asked.append(f"load {model}")
        if model in self.refused:
            raise InferenceServerException("no")

    async def unload(self, model: str) -> None:
        self.asked.append(f"unload {model}")

    async def drain(self, models: Collection[str]) -> None:
        self.asked.append(f"drain {' '.join(models)}")

    async def failures(self, among: Collection[str] | None = None) -> dict[str, str]:
        return {model: f"{model}: no" for model in self._broken if not among or model in among}


async def test_a_model_that_goes_while_it_is_loaded_is_no_error(
    own_tiny_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "serve")
    settings = Settings(model_repository=str(own_tiny_repository))
    triton = RefusingTriton(removed=own_tiny_repository / "tiny_float")
    assert await Reconciler(settings, triton).load_all() == []
    assert "tiny was changed or removed while it was being loaded" in caplog.text
    assert "cannot be served" not in caplog.text


async def test_why_a_model_is_not_loaded_is_told(
    own_tiny_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(model_repository=str(own_tiny_repository))
    assert await Reconciler(settings, RefusingTriton()).load_all() == []
    assert "tiny cannot be served: failed to open directory tiny" in caplog.text


async def follow(loader: Reconciler) -> None:
    """Look until what has changed is the same for the second time."""
    for _ in range(2):
        await loader.follow()


async def test_a_replaced_model_is_not_served_until_all_its_steps_are_new(
    own_tiny_repository: Path,
) -> None:
    triton = ObedientTriton()
    loader = Reconciler(Settings(model_repository=str(own_tiny_repository)), triton)
    assert await loader.load_all() == ["tiny"]
    triton.asked.clear()
    for step in ("tiny_tokenizer", "tiny_encoder"):
        (own_tiny_repository / step / "config.pbtxt").touch()
    await follow(loader)
    down = ["unload tiny", "unload tiny_float", "drain tiny tiny_float"]
    assert triton.asked == [*down, "load tiny", "load tiny_float"]


async def test_a_model_with_one_new_step_is_served_all_the_time(own_tiny_repository: Path) -> None:
    triton = ObedientTriton()
    loader = Reconciler(Settings(model_repository=str(own_tiny_repository)), triton)
    await loader.load_all()
    triton.asked.clear()
    (own_tiny_repository / "tiny_encoder" / "config.pbtxt").touch()
    await follow(loader)
    assert triton.asked == ["load tiny", "load tiny_float"]


UNLOADED = [
    f"unload tiny{step}" for step in ("_float", "", "_postprocess", "_encoder", "_tokenizer")
]


async def test_where_a_new_step_cannot_be_loaded_the_old_one_stays_until_another_changes(
    own_tiny_repository: Path,
) -> None:
    triton = ObedientTriton()
    loader = Reconciler(Settings(model_repository=str(own_tiny_repository)), triton)
    await loader.load_all()
    triton.asked.clear()
    triton.refused = ["tiny"]
    (own_tiny_repository / "tiny_encoder" / "config.pbtxt").touch()
    await follow(loader)
    assert triton.asked == ["load tiny"]
    (own_tiny_repository / "tiny_tokenizer" / "config.pbtxt").touch()
    await follow(loader)
    assert triton.asked[1:4] == ["unload tiny", "unload tiny_float", "drain tiny tiny_float"]
    assert triton.asked[-5:] == UNLOADED


async def test_of_a_model_that_is_broken_again_and_again_nothing_is_left(
    own_tiny_repository: Path,
) -> None:
    triton = ObedientTriton()
    triton.refused = ["tiny"]
    loader = Reconciler(Settings(model_repository=str(own_tiny_repository)), triton)
    assert await loader.load_all() == []
    assert triton.asked == ["load tiny", *UNLOADED]
    (own_tiny_repository / "tiny_encoder" / "config.pbtxt").touch()
    await follow(loader)
    assert triton.asked == ["load tiny", *UNLOADED] * 2


async def test_a_new_model_that_embeds_nothing_is_unloaded_with_its_steps(
    own_tiny_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    triton = ObedientTriton(broken=["tiny"])
    loader = Reconciler(Settings(model_repository=str(own_tiny_repository)), triton)
    await follow(loader)
    assert triton.asked[-5:] == UNLOADED
    assert "tiny: no; not serving it" in caplog.text


async def test_a_second_model_takes_a_served_name_only_when_the_first_has_gone(
    tmp_path: Path, own_tiny_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    triton = ObedientTriton()
    settings = Settings(model_repository=str(own_tiny_repository), served_model_name="public")
    loader = Reconciler(settings, triton)
    assert await loader.load_all() == ["tiny"]
    second = own_tiny_repository / "another" / "config.pbtxt"
    second.parent.mkdir()
    second.write_text(
        'ensemble_scheduling { step { model_name: "no_such_step" } } '
        'parameters { key: "model_id" value { string_value: "Another" } }'
    )
    triton.asked.clear()
    await follow(loader)
    assert await loader.load_all() == ["tiny"]
    assert "load another" not in triton.asked
    assert "another cannot be served: tiny has the one name" in caplog.text
    first = [part.rename(tmp_path / part.name) for part in own_tiny_repository.glob("tiny*")]
    await loader.follow()
    for part in first:
        part.rename(own_tiny_repository / part.name)
    await follow(loader)
    assert "load another" not in triton.asked
    for part in own_tiny_repository.glob("tiny*"):
        shutil.rmtree(part)
    await follow(loader)
    assert triton.asked[-5:] == UNLOADED
    await loader.follow()
    assert triton.asked[-1] == "load another"


async def test_a_served_name_is_free_if_its_model_goes_while_triton_restarts(
    own_tiny_repository: Path,
) -> None:
    triton = ObedientTriton()
    settings = Settings(model_repository=str(own_tiny_repository), served_model_name="public")
    loader = Reconciler(settings, triton)
    await loader.load_all()
    for step in ("", "_float"):
        config = own_tiny_repository / f"tiny{step}" / "config.pbtxt"
        config.parent.rename(own_tiny_repository / f"new{step}")
    assert await loader.load_all() == ["new"]


async def test_what_is_still_being_copied_or_moved_is_left_alone(own_tiny_repository: Path) -> None:
    triton = ObedientTriton()
    loader = Reconciler(Settings(model_repository=str(own_tiny_repository)), triton)
    await loader.load_all()
    triton.asked.clear()
    weights = own_tiny_repository / "tiny_encoder" / "1" / "model.onnx"
    for size in (1000, 2000):
        os.truncate(weights, size)
        await loader.follow()
    assert not triton.asked
    await loader.follow()
    assert triton.asked == ["load tiny", "load tiny_float"]
    triton.asked.clear()
    away = own_tiny_repository.rename(own_tiny_repository.with_name("away"))
    await loader.follow()
    away.rename(own_tiny_repository)
    await follow(loader)
    assert not triton.asked
    shutil.rmtree(own_tiny_repository)
    await loader.follow()
    assert not triton.asked
    await loader.follow()
    assert triton.asked == UNLOADED


class WatchedTriton(ObedientTriton):
    """Notes what is unproven while it loads and looks."""

    loader: Reconciler

    async def load(self, model: str, config: str | None = None) -> None:
        self.asked.append(f"unproven {' '.join(self.loader.unproven)}")

    async def failures(self, among: Collection[str] | None = None) -> dict[str, str]:
        self.asked.append(f"unproven {' '.join(self.loader.unproven)}")
        return {}


async def test_a_new_model_is_unproven_until_it_was_seen_at_work(own_tiny_repository: Path) -> None:
    triton = WatchedTriton()
    triton.loader = Reconciler(Settings(model_repository=str(own_tiny_repository)), triton)
    await follow(triton.loader)
    assert triton.asked == ["unproven tiny tiny_float"] * 3
    assert triton.loader.unproven == ()
