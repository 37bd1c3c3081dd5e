from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from testing.reconciling import reconciler_of, settle
from testing.stub_repository import write_stub_model
from testing.triton_admin import FakeTriton
from triton_embed.contract.serialization import SPEC_VERSION
from triton_embed.contract.spec import ModelSpec
from triton_embed.contract.status import ModelState
from triton_embed.repository import config
from triton_embed.serve.errors import TritonError
from triton_embed.serve.overrides import Overrides
from triton_embed.serve.probe import Probe, ProbeResult
from triton_embed.serve.reconciler import Reconciler
from triton_embed.serve.retirement import MIN_IDLE_CHECKS

OTHER = ModelSpec("other", max_tokens=64, vocab_size=30522, dimension=32)
BROKEN = TritonError("stub process is not healthy", "INTERNAL")

RELOADED = ["load tiny", "load tiny_direct"]
UNLOADED_FIRST = ["unload tiny", "unload tiny_direct", "drain tiny tiny_direct"]
UNLOADED = [
    f"unload tiny{suffix}" for suffix in ("_direct", "", "_postprocess", "_encoder", "_tokenizer")
]


async def test_model_removed_while_it_is_loaded_is_no_error(
    stub_repository: Path, triton: FakeTriton, caplog: pytest.LogCaptureFixture
) -> None:
    class RemovingTriton(FakeTriton):
        async def load(self, model: str, config: str | None = None) -> None:
            shutil.rmtree(stub_repository / model)
            await super().load(model, config)

    caplog.set_level(logging.INFO, "serve")
    triton = RemovingTriton(stub_repository)
    assert await reconciler_of(stub_repository, triton).load_all() == []
    assert "tiny was changed or removed while it was being loaded" in caplog.text
    assert "cannot be served" not in caplog.text


async def test_load_failure_is_logged_with_its_reason(
    stub_repository: Path, triton: FakeTriton, caplog: pytest.LogCaptureFixture
) -> None:
    triton.rejected = {"tiny"}
    reconciler = reconciler_of(stub_repository, triton)
    assert await reconciler.load_all() == []
    assert "tiny cannot be served: failed to load 'tiny'" in caplog.text
    assert reconciler.states == {"tiny": ModelState.FAILED}


async def test_model_with_several_new_steps_is_unloaded_until_it_is_replaced(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    for step in ("tiny_tokenizer", "tiny_encoder"):
        (stub_repository / step / "config.pbtxt").touch()
    await settle(reconciler)
    assert triton.requests == UNLOADED_FIRST + RELOADED
    assert reconciler.states == {"tiny": ModelState.READY}


async def test_model_with_one_new_step_stays_served(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    (stub_repository / "tiny_encoder" / "config.pbtxt").touch()
    await settle(reconciler)
    assert triton.requests == RELOADED


async def test_old_version_stays_if_a_new_step_cannot_be_loaded(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    triton.rejected = {"tiny"}
    (stub_repository / "tiny_encoder" / "config.pbtxt").touch()
    await settle(reconciler)
    assert triton.requests == ["load tiny"]
    (stub_repository / "tiny_tokenizer" / "config.pbtxt").touch()
    await settle(reconciler)
    assert triton.requests[1:4] == UNLOADED_FIRST
    assert triton.requests[-5:] == UNLOADED


async def test_model_that_cannot_be_loaded_is_tried_again_once_it_changes(
    stub_repository: Path, triton: FakeTriton
) -> None:
    triton.rejected = {"tiny"}
    reconciler = reconciler_of(stub_repository, triton)
    assert await reconciler.load_all() == []
    assert triton.requests == ["load tiny", *UNLOADED]
    await settle(reconciler)
    (stub_repository / "tiny_encoder" / "config.pbtxt").touch()
    await settle(reconciler)
    assert triton.requests == ["load tiny", *UNLOADED] * 2


async def test_new_model_that_fails_its_first_inference_is_unloaded(
    stub_repository: Path, triton: FakeTriton, caplog: pytest.LogCaptureFixture
) -> None:
    triton.inference_errors["tiny"] = BROKEN
    await settle(reconciler_of(stub_repository, triton))
    assert triton.requests[-5:] == UNLOADED
    expected = f"tiny failed its first inference (tiny: {BROKEN.message}); unloading it"
    assert expected in caplog.text


async def test_user_s_ensemble_over_our_tokenizer_stays_loaded_without_our_model(
    stub_repository: Path, triton: FakeTriton
) -> None:
    add_ensemble(stub_repository, "user", "tiny_tokenizer")
    triton.inference_errors["tiny"] = BROKEN
    reconciler = reconciler_of(stub_repository, triton)
    assert await reconciler.load_all() == ["user"]
    assert triton.loaded == {"user", "tiny_tokenizer"}


@pytest.mark.parametrize("name", ["before", "user"])
async def test_user_s_ensemble_over_several_new_steps_is_replaced_beside_our_model(
    stub_repository: Path, triton: FakeTriton, name: str
) -> None:
    steps = ("tiny_tokenizer", "tiny_encoder")
    add_ensemble(stub_repository, name, *steps)
    reconciler = reconciler_of(stub_repository, triton)
    await reconciler.load_all()
    loaded = set(triton.loaded)
    for step in steps:
        (stub_repository / step / "config.pbtxt").touch()
    await settle(reconciler)
    assert set(reconciler.states.values()) == {ModelState.READY}
    assert triton.loaded == loaded
    assert sum(request.startswith("drain") for request in triton.requests) == 1


def add_ensemble(repository: Path, name: str, *steps: str) -> None:
    """Add a user's own ensemble of steps."""
    text = " ".join(f'step {{ model_name: "{step}" }}' for step in steps)
    (repository / name).mkdir()
    (repository / name / "config.pbtxt").write_text(f"ensemble_scheduling {{ {text} }}")


def set_version(repository: Path, version: str, name: str) -> None:
    """Change the ``spec_version`` of every Triton model whose name starts with `name`."""
    for path in repository.glob(f"{name}*"):
        changed = config.read(path)
        changed.parameters["spec_version"].string_value = version
        config.write(path, changed)


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("0", "export it again with 'triton-embed export CHECKPOINT --model-id other'"),
        ("2", "upgrade triton-embed"),
    ],
)
async def test_model_of_another_version_is_rejected_once_and_the_others_are_served(
    stub_repository: Path,
    triton: FakeTriton,
    caplog: pytest.LogCaptureFixture,
    version: str,
    remedy: str,
) -> None:
    write_stub_model(stub_repository, OTHER)
    set_version(stub_repository, version, "other")
    reconciler = reconciler_of(stub_repository, triton)
    assert await reconciler.load_all() == ["tiny"]
    assert reconciler.states == {"tiny": ModelState.READY, "other": ModelState.FAILED}
    await settle(reconciler)
    assert not [model for model in triton.loaded if model.startswith("other")]
    triton.loaded.clear()
    assert await reconciler.load_all() == ["tiny"], "as after a restart of Triton"
    (error,) = caplog.messages
    assert error.startswith("other is not served: it was exported by") and remedy in error
    set_version(stub_repository, SPEC_VERSION, "other")
    await settle(reconciler)
    assert set(reconciler.states.values()) == {ModelState.READY}


async def test_model_that_loses_a_part_is_unloaded(
    stub_repository: Path,
    triton: FakeTriton,
    reconciler: Reconciler,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.rmtree(stub_repository / "tiny_encoder")
    await settle(reconciler)
    assert triton.requests == UNLOADED
    assert "tiny is not served: it lacks 'tiny_encoder': export it again" in caplog.text


async def test_second_model_gets_a_served_name_once_the_first_is_removed(
    tmp_path: Path,
    stub_repository: Path,
    triton: FakeTriton,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reconciler = reconciler_of(stub_repository, triton, served_model_names=("public",))
    assert await reconciler.load_all() == ["tiny"]
    write_stub_model(stub_repository, OTHER)
    triton.requests.clear()
    await settle(reconciler)
    assert "other is not served: --served-model-name is already used by tiny" in caplog.text
    parts = [part.rename(tmp_path / part.name) for part in stub_repository.glob("tiny*")]
    await reconciler.reconcile()
    for part in parts:
        part.rename(stub_repository / part.name)
    await settle(reconciler)
    assert not triton.requests
    for part in stub_repository.glob("tiny*"):
        shutil.rmtree(part)
    await settle(reconciler)
    assert triton.requests[:5] == UNLOADED
    assert triton.requests[5:6] == ["load other_tokenizer"]


async def test_served_name_is_free_if_its_model_is_removed_while_triton_restarts(
    stub_repository: Path, triton: FakeTriton
) -> None:
    reconciler = reconciler_of(stub_repository, triton, served_model_names=("public",))
    await reconciler.load_all()
    for folder in list(stub_repository.iterdir()):
        shutil.rmtree(folder)
    write_stub_model(stub_repository, OTHER)
    assert await reconciler.load_all() == ["other"]


async def test_served_names_are_loaded_as_aliases_until_their_model_is_removed(
    stub_repository: Path, triton: FakeTriton
) -> None:
    reconciler = reconciler_of(stub_repository, triton, served_model_names=("Tiny", "b/Other"))
    assert await reconciler.load_all() == ["tiny"]
    assert list(triton.aliases) == ["Tiny", "b_other", "b_Other"]
    values = config.parameters(triton.aliases["b_other"])
    assert (values["model_id"], values["role"]) == ("Tiny", "alias")
    assert triton.loaded >= triton.aliases.keys()
    for part in stub_repository.glob("tiny*"):
        shutil.rmtree(part)
    for _ in range(2 + MIN_IDLE_CHECKS):
        await reconciler.reconcile()
    assert triton.loaded == set()


async def test_alias_of_an_id_that_stays_the_same_needs_no_override(
    stub_repository: Path, triton: FakeTriton
) -> None:
    reconciler = reconciler_of(stub_repository, triton, served_model_names=("tiny", "other"))
    assert await reconciler.load_all() == ["tiny"]
    assert config.parameters(triton.aliases["other"])["model_id"] == "tiny"


async def test_served_name_of_another_triton_model_is_rejected(
    stub_repository: Path, triton: FakeTriton, caplog: pytest.LogCaptureFixture
) -> None:
    add_ensemble(stub_repository, "theirs", "tiny_tokenizer")
    reconciler = reconciler_of(stub_repository, triton, served_model_names=("a", "Theirs"))
    assert await reconciler.load_all() == ["theirs"]
    assert "--served-model-name needs the name 'theirs' for Triton" in caplog.text


async def test_model_that_is_being_copied_or_moved_is_not_touched(
    stub_repository: Path, triton: FakeTriton, reconciler: Reconciler
) -> None:
    weights = stub_repository / "tiny_encoder" / "1" / "model.onnx"
    for size in (1000, 2000):
        os.truncate(weights, size)
        await reconciler.reconcile()
    assert not triton.requests
    await reconciler.reconcile()
    assert triton.requests == RELOADED
    triton.requests.clear()
    for folder in stub_repository.iterdir():
        shutil.rmtree(folder)
    await settle(reconciler)
    assert not triton.requests
    assert not reconciler.states
    await settle(reconciler)
    assert triton.requests == UNLOADED


async def test_model_is_unverified_until_its_first_inference_succeeds(
    stub_repository: Path, triton: FakeTriton
) -> None:
    observed: list[tuple[Mapping[str, ModelState], frozenset[str]]] = []

    class ObservingProbe(Probe):
        async def run(self, ensembles: Collection[str] | None = None) -> ProbeResult:
            observed.append((observed_reconciler.states, observed_reconciler.unverified))
            return await super().run(ensembles)

    observed_reconciler = Reconciler(stub_repository, triton, ObservingProbe(triton), Overrides())
    await settle(observed_reconciler)
    (stub_repository / "tiny_encoder" / "config.pbtxt").touch()
    await settle(observed_reconciler)
    ensembles = frozenset({"tiny", "tiny_direct"})
    assert observed == [
        ({"tiny": ModelState.LOADING}, ensembles),
        ({"tiny": ModelState.REPLACING}, ensembles),
    ]
    assert observed_reconciler.unverified == frozenset()
