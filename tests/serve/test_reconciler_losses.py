"""Steps, models and repositories that are lost while models are served."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from testing.reconciling import published_by, settle
from testing.stub_repository import write_stub_model
from testing.triton_admin import FakeTriton
from triton_embed.contract.spec import ModelSpec
from triton_embed.contract.status import ModelState
from triton_embed.serve.errors import ServeError, TritonError
from triton_embed.serve.reconciler import Reconciler

OTHER = ModelSpec("other", max_tokens=64, vocab_size=30522, dimension=32)
BROKEN = TritonError("stub process is not healthy", "INTERNAL")


async def test_models_of_a_repository_that_disappears_stay_served(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    away = stub_repository.rename(stub_repository.with_name("away"))
    for _ in range(5):
        with pytest.raises(ServeError, match="has disappeared"):
            await reconciler.reconcile()
    assert reconciler.states == {"tiny": ModelState.READY}
    # A step that ends meanwhile is loaded once the repository is back.
    assert reconciler.lose_step("tiny_encoder")
    with pytest.raises(ServeError, match="has disappeared"):
        await reconciler.revive()
    assert not triton.requests
    away.rename(stub_repository)
    await settle(reconciler)
    assert await reconciler.revive() == ["tiny_encoder"]
    assert reconciler.states == {"tiny": ModelState.READY}


async def test_dead_step_is_loaded_again_with_its_ensembles_only(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    write_stub_model(stub_repository, OTHER)
    await settle(reconciler)
    triton.requests.clear()
    assert reconciler.lose_step("tiny_encoder")
    assert reconciler.states == {"tiny": ModelState.LOADING, "other": ModelState.READY}
    assert reconciler.unverified == {"tiny", "tiny_direct"}
    await settle(reconciler)
    assert not triton.requests
    assert await reconciler.revive() == ["tiny_encoder"]
    names = ["tiny", "tiny_direct", "tiny_encoder"]
    unloaded = [f"unload {name}" for name in names]
    assert triton.requests == [*unloaded, "load tiny_encoder", "load tiny", "load tiny_direct"]
    assert set(reconciler.states.values()) == {ModelState.READY}


async def test_two_dead_steps_are_loaded_again_together(reconciler: Reconciler) -> None:
    assert reconciler.lose_step("tiny_encoder")
    assert reconciler.lose_step("tiny_tokenizer")
    assert await reconciler.revive() == ["tiny_encoder", "tiny_tokenizer"]
    assert reconciler.states == {"tiny": ModelState.READY}


async def test_process_that_triton_ends_is_not_a_dead_step(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    assert not reconciler.lose_step("unknown_encoder")
    for folder in stub_repository.iterdir():
        shutil.rmtree(folder)
    await settle(reconciler)
    assert not reconciler.lose_step("tiny_encoder")


async def test_step_that_stays_dead_is_reported(triton: FakeTriton, reconciler: Reconciler) -> None:
    reconciler.lose_step("tiny_encoder")
    triton.rejected = {"tiny_encoder"}
    with pytest.raises(TritonError, match="failed to load 'tiny_encoder'"):
        await reconciler.revive()


async def test_model_that_fails_after_its_step_was_loaded_again_is_reported(
    triton: FakeTriton, reconciler: Reconciler
) -> None:
    reconciler.lose_step("tiny_encoder")
    triton.inference_errors["tiny"] = BROKEN
    with pytest.raises(TritonError, match=BROKEN.message):
        await reconciler.revive()


async def test_dead_step_of_a_replaced_export_is_not_mixed_with_old_steps(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    write_stub_model(stub_repository, OTHER)
    await settle(reconciler)
    triton.requests.clear()
    (stub_repository / "tiny_tokenizer" / "config.pbtxt").touch()
    reconciler.lose_step("tiny_encoder")
    assert await reconciler.revive() == []
    assert reconciler.states == {"tiny": ModelState.LOADING, "other": ModelState.READY}
    assert "tiny_tokenizer" not in triton.loaded
    await settle(reconciler)
    assert set(reconciler.states.values()) == {ModelState.READY}
    assert {"tiny", "tiny_direct"} <= set(triton.loaded)
    assert not [request for request in triton.requests if "other" in request]


async def test_model_without_changes_after_all_is_loaded_again(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    away = (stub_repository / "tiny_tokenizer").rename(stub_repository.with_name("away"))
    reconciler.lose_step("tiny_encoder")
    assert await reconciler.revive() == []
    away.rename(stub_repository / "tiny_tokenizer")
    await settle(reconciler)
    assert reconciler.states == {"tiny": ModelState.READY}
    assert "tiny_tokenizer" in triton.loaded


async def test_dead_step_of_a_removed_model_is_unloaded_with_it(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    write_stub_model(stub_repository, OTHER)
    await settle(reconciler)
    for folder in stub_repository.glob("tiny*"):
        shutil.rmtree(folder)
    reconciler.lose_step("tiny_encoder")
    assert await reconciler.revive() == []
    assert reconciler.states == {"other": ModelState.READY}
    assert not [name for name in triton.loaded if name.startswith("tiny")]
    assert not reconciler.lost_steps


async def test_step_that_could_not_be_loaded_again_stays_lost(
    triton: FakeTriton, reconciler: Reconciler
) -> None:
    reconciler.lose_step("tiny_encoder")
    triton.rejected = {"tiny_encoder"}
    with pytest.raises(TritonError):
        await reconciler.revive()
    triton.rejected = set()
    assert await reconciler.revive() == ["tiny_encoder"]
    assert reconciler.states == {"tiny": ModelState.READY}


async def test_publication_follows_each_change(stub_repository: Path, triton: FakeTriton) -> None:
    reconciler, states = published_by(stub_repository, triton)
    reconciler.announce()
    await reconciler.load_all()
    reconciler.lose_step("tiny_encoder")
    await reconciler.revive()
    reconciler.lose_all("it has ended")
    found = [[(model.state, model.reason) for model in models] for models in states]
    (exported_at,) = {model.exported_at for models in states for model in models}
    assert exported_at
    assert [
        first for first, second in zip(found, [*found[1:], []], strict=True) if first != second
    ] == [
        [(ModelState.LOADING, "")],
        [(ModelState.READY, "")],
        [(ModelState.LOADING, "the process of tiny_encoder has ended")],
        [(ModelState.READY, "")],
        [(ModelState.LOADING, "it has ended")],
    ]


async def test_publication_has_the_reason_of_a_failure(
    stub_repository: Path, triton: FakeTriton
) -> None:
    triton.rejected = {"tiny"}
    reconciler, states = published_by(stub_repository, triton)
    await reconciler.load_all()
    (model,) = states[-1]
    assert (model.state, model.reason) == (ModelState.FAILED, "failed to load 'tiny'")


async def test_model_is_still_expected_if_triton_ends_while_it_is_loaded(
    stub_repository: Path, triton: FakeTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended(model: str, *arguments: Any) -> Any:
        raise TritonError("its HTTP API does not respond", "UNAVAILABLE")

    with monkeypatch.context() as during_the_crash:
        during_the_crash.setattr(triton, "load", ended)
        reconciler, states = published_by(stub_repository, triton)
        await reconciler.load_all()
    assert [each.state for (each,) in states] == [ModelState.LOADING, ModelState.LOADING]
    await reconciler.reconcile()
    assert reconciler.states == {"tiny": ModelState.READY}


async def test_publication_has_the_public_id(stub_repository: Path, triton: FakeTriton) -> None:
    reconciler, states = published_by(stub_repository, triton, served_model_names=("public",))
    await reconciler.load_all()
    assert [model.model_id for model in states[-1]] == ["public"]


async def test_removed_model_is_unpublished_before_it_is_unloaded(
    stub_repository: Path, triton: FakeTriton
) -> None:
    reconciler, states = published_by(stub_repository, triton)
    await reconciler.load_all()
    for folder in stub_repository.iterdir():
        shutil.rmtree(folder)
    await settle(reconciler)
    assert states[-1] == []
    assert "tiny" in triton.loaded
    await settle(reconciler)
    assert not triton.loaded


@pytest.mark.parametrize("where", ["load", "infer"])
async def test_model_whose_process_ends_while_it_is_loaded_is_loaded_again(
    stub_repository: Path,
    triton: FakeTriton,
    reconciler: Reconciler,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    attempts = 0
    method = getattr(triton, where)

    async def ended(model: str, *arguments: Any) -> Any:
        nonlocal attempts
        if model.startswith("other"):
            attempts += 1
            raise TritonError("Stub process 'other_encoder_0_0' is not healthy.", "INTERNAL")
        return await method(model, *arguments)

    monkeypatch.setattr(triton, where, ended)
    write_stub_model(stub_repository, OTHER)
    await reconciler.reconcile()
    await reconciler.reconcile()
    assert reconciler.states == {"tiny": ModelState.READY, "other": ModelState.LOADING}
    monkeypatch.setattr(triton, where, method)
    await reconciler.reconcile()
    assert set(reconciler.states.values()) == {ModelState.READY}
    # A model that never loads is given up.
    monkeypatch.setattr(triton, where, ended)
    (stub_repository / "other" / "config.pbtxt").touch()
    for _ in range(6):
        await reconciler.reconcile()
    count = attempts
    await settle(reconciler)
    assert attempts == count
    assert reconciler.failed == ["other"]
