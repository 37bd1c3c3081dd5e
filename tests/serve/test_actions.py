from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from triton_embed.contract.status import ModelState
from triton_embed.repository.model import InstalledModel
from triton_embed.serve.actions import (
    Load,
    ModelStatus,
    Reject,
    Unload,
    diff,
    only_in,
    settled,
)

STEPS = ("m_tokenizer", "m_encoder")


def model(
    name: str, steps: tuple[str, ...] = STEPS, changed: tuple[str, ...] = ()
) -> InstalledModel:
    """Return a model; the files of the `changed` Triton models differ from the usual ones."""
    fingerprints = {part: ((part, int(part in changed), 0),) for part in (name, *steps)}
    return InstalledModel(Path(), name, None, (name,), steps, (name, *steps), fingerprints)


M, OTHER = model("m"), model("other", ("other_encoder",))
NEW_ENCODER = model("m", changed=("m_encoder",))
NEW_STEPS = model("m", changed=STEPS)


def ready(*models: InstalledModel) -> dict[str, ModelStatus]:
    return {each.name: ModelStatus(each, ModelState.READY, each) for each in models}


def by_name(*models: InstalledModel) -> dict[str, InstalledModel]:
    return {each.name: each for each in models}


@pytest.mark.parametrize(
    ("previous", "current", "expected"),
    [
        ([M], [M, OTHER], [M]),
        ([M, OTHER], [M, OTHER], [M, OTHER]),
        ([M], [NEW_ENCODER], [M]),
        ([NEW_ENCODER], [NEW_ENCODER], [NEW_ENCODER]),
        ([NEW_ENCODER], [NEW_STEPS], [M]),
        ([M], [], [M]),
        ([NEW_ENCODER], [], [M]),
        ([], [], []),
    ],
)
def test_model_is_settled_once_two_scans_agree(
    previous: list[InstalledModel], current: list[InstalledModel], expected: list[InstalledModel]
) -> None:
    assert settled(by_name(*previous), by_name(*current), ready(M)) == by_name(*expected)


def test_unchanged_models_need_no_action() -> None:
    assert diff(by_name(M, OTHER), ready(M, OTHER), {}) == []


def test_removed_models_are_unloaded_before_new_ones_are_loaded() -> None:
    assert diff(by_name(OTHER), ready(M), {}) == [Unload(M), Load(OTHER)]


def test_model_with_one_changed_step_stays_loaded_meanwhile() -> None:
    assert diff(by_name(NEW_ENCODER), ready(M), {}) == [Load(NEW_ENCODER)]


def test_ensembles_over_several_changed_steps_are_unloaded_first() -> None:
    user_ensemble = model("user")
    statuses = ready(M, user_ensemble, OTHER)
    desired = by_name(NEW_STEPS, user_ensemble, OTHER)
    assert diff(desired, statuses, {}) == [Load(NEW_STEPS, unload_first=("m", "user"))]


def test_failed_model_is_loaded_again_only_after_a_change() -> None:
    statuses = {"m": ModelStatus(M, ModelState.FAILED)}
    assert diff(by_name(M), statuses, {}) == []
    assert diff(by_name(NEW_STEPS), statuses, {}) == [Load(NEW_STEPS)]


def test_rejected_model_is_loaded_once_its_rejection_ends() -> None:
    assert diff(by_name(M), {}, {"m": "reason"}) == [Reject(M, "reason")]
    statuses = {"m": ModelStatus(M, ModelState.FAILED, rejection="reason")}
    assert diff(by_name(M), statuses, {"m": "reason"}) == []
    assert diff(by_name(M), statuses, {}) == [Load(M)]


def test_only_in_excludes_models_used_by_others() -> None:
    assert only_in(M, []) == ["m", "m_encoder", "m_tokenizer"]
    assert only_in(M, [model("user", ("m_tokenizer",))]) == ["m", "m_encoder"]


def test_state_given_to_the_reconciliation_stays_unchanged() -> None:
    scanned = MappingProxyType(by_name(NEW_STEPS))
    statuses = MappingProxyType(ready(M, OTHER))
    desired = settled(scanned, scanned, statuses)
    assert desired is not scanned
    assert diff(MappingProxyType(desired), statuses, {})
