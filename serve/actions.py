"""Actions that bring the loaded models to the state of the model repository, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from triton_embed.contract.status import ModelState, PublishedModel
from triton_embed.repository.model import InstalledModel

Models = Mapping[str, InstalledModel]
"""Installed models by Triton's name of their entry."""


@dataclass(frozen=True)
class ModelStatus:
    """A model and the outcome of the last action on it.

    Attributes:
        model: The version of the last action.
        state: Its state.
        serving: The version that Triton serves; an older one if loading `model` failed.
        rejection: The reason why `model` was not loaded at all.
        reason: Explanation of the state for an operator; may be empty.
    """

    model: InstalledModel
    state: ModelState
    serving: InstalledModel | None = None
    rejection: str | None = None
    reason: str = ""

    @property
    def is_served(self) -> bool:
        """True if Triton serves a verified version."""
        return self.serving is not None and self.state in (ModelState.READY, ModelState.FAILED)

    @property
    def is_lost(self) -> bool:
        """True if a process of the served version has ended."""
        return self.serving is not None and self.state is ModelState.LOADING


@dataclass(frozen=True)
class Load:
    """Load or reload a model.

    Attributes:
        model: The model.
        unload_first: Loaded ensembles that would otherwise mix its old and new steps: Triton
            replaces one step at a time.
    """

    model: InstalledModel
    unload_first: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reject:
    """Do not serve a model, for a reason."""

    model: InstalledModel
    reason: str


@dataclass(frozen=True)
class Unload:
    """Unload a model that is no longer in the repository."""

    model: InstalledModel


Action = Load | Reject | Unload


def settled(previous: Models, current: Models, statuses: Mapping[str, ModelStatus]) -> Models:
    """Return the models to serve: those that two consecutive scans have found unchanged.

    A model that is being copied, replaced or removed stays at the version of its last action
    until that is complete.

    Args:
        previous: Result of the scan before.
        current: Result of the last scan.
        statuses: Status of each model that has had an action.
    """
    models: dict[str, InstalledModel] = {}
    for name in {**current, **statuses}:
        found = current.get(name)
        if found != previous.get(name):
            found = statuses[name].model if name in statuses else None
        if found:
            models[name] = found
    return models


def diff(
    desired: Models, statuses: Mapping[str, ModelStatus], rejections: Mapping[str, str]
) -> list[Action]:
    """Return the actions that bring Triton to the desired state, in order.

    Removed models come first: they free memory, and a public id for another model.

    Args:
        desired: The models to serve.
        statuses: Status of each model that has had an action.
        rejections: The reason for each desired model that must not be served.
    """
    actions: list[Action] = [
        Unload(status.model) for name, status in statuses.items() if name not in desired
    ]
    served = {name: status.serving for name, status in statuses.items() if status.serving}
    for name, model in desired.items():
        status = statuses.get(name)
        rejection = rejections.get(name)
        if status and (status.model, status.rejection) == (model, rejection):
            continue
        if rejection:
            actions.append(Reject(model, rejection))
        else:
            mixed = _mixed_models(model, served)
            actions.append(Load(model, tuple(each for old in mixed for each in old.ensembles)))
            # For the next actions, these are unloaded and this model is loaded.
            served = {key: each for key, each in served.items() if each not in mixed}
            served[name] = model
    return actions


def _mixed_models(model: InstalledModel, served: Models) -> list[InstalledModel]:
    """Return the served models that use more than one step which `model` changes."""
    return [
        each
        for each in served.values()
        if len(set(each.steps).intersection(model.changed_steps(each))) > 1
    ]


def only_in(model: InstalledModel, others: Iterable[InstalledModel]) -> list[str]:
    """Return the Triton models of `model` that no other model uses, ensembles first."""
    kept = {name for other in others for name in other.models}
    return [name for name in reversed(model.models) if name not in kept]


def published(
    statuses: Iterable[ModelStatus], served_model_name: str | None = None
) -> list[PublishedModel]:
    """Return the models as they are published.

    Args:
        statuses: Status of each model.
        served_model_name: Public id of the exported models, if it is overridden.
    """
    models = []
    for status in statuses:
        identity = (status.serving or status.model).identity
        override = served_model_name if identity and not status.rejection else None
        models.append(
            PublishedModel(
                model_id=override or status.model.display_name,
                state=status.state,
                exported_at=identity.exported_at if identity else "",
                reason=status.reason or status.rejection or "",
                serves_older=status.serving is not None
                and status.state in (ModelState.REPLACING, ModelState.FAILED),
            )
        )
    return models
