"""Reconciliation of the models that Triton has loaded with those in the model repository."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from triton_embed.contract.status import ModelState, PublishedModel
from triton_embed.repository.model import InstalledModel
from triton_embed.serve.actions import (
    Action,
    Load,
    Models,
    ModelStatus,
    Reject,
    Unload,
    diff,
    only_in,
    published,
    settled,
)
from triton_embed.serve.admin_client import TritonAdmin
from triton_embed.serve.errors import ServeError, TritonError
from triton_embed.serve.load_retries import LoadRetries
from triton_embed.serve.loading import ModelLoader
from triton_embed.serve.overrides import Overrides
from triton_embed.serve.probe import HealthProbe, ProbeResult
from triton_embed.serve.repository_watch import RepositoryWatch
from triton_embed.serve.retirement import Retirement
from triton_embed.serve.served_names import ServedNames

logger = logging.getLogger("serve")


class Reconciler:
    """Loads, reloads and unloads the models of one running Triton.

    Triton's own polling would load a broken model again every few seconds, and could load a
    partly replaced model. The reconciler loads a model with all of its steps, and reloads a broken
    model only once its files have changed.

    Args:
        repository: The model repository.
        client: The running Triton.
        probe: Verifies a loaded model.
        overrides: Changes to the configurations in the repository.
        publish: Receives the state of all models after each change.

    Attributes:
        lost_steps: Steps of served models whose processes have ended, for `revive`.
    """

    def __init__(
        self,
        repository: Path,
        client: TritonAdmin,
        probe: HealthProbe,
        overrides: Overrides,
        publish: Callable[[Iterable[PublishedModel]], None] = lambda models: None,
    ) -> None:
        self._repository = RepositoryWatch(repository, overrides.served_model_names)
        self._served_names = ServedNames(overrides.served_model_names)
        self._loader = ModelLoader(client, overrides)
        self._client = client
        self._probe = probe
        self._publish_models = publish
        self._retirement = Retirement(client)
        self.lost_steps: set[str] = set()
        self._reviving: frozenset[str] = frozenset()
        self._scanned: Models = {}
        self._desired: Models = {}
        self._statuses: dict[str, ModelStatus] = {}
        self._retries = LoadRetries()
        self._logged_rejections: dict[str, str] = {}

    @property
    def states(self) -> Mapping[str, ModelState]:
        """State of each model, by the name of its entry."""
        return {name: status.state for name, status in self._statuses.items()}

    @property
    def failed(self) -> list[str]:
        """Public ids of the models of the repository that are not served."""
        return sorted(
            status.model.display_name
            for status in self._statuses.values()
            if status.state is ModelState.FAILED
        )

    @property
    def unverified(self) -> frozenset[str]:
        """Ensembles that are being loaded, or are loaded and have not embedded a text yet."""
        return frozenset(
            ensemble
            for status in self._statuses.values()
            if status.state in (ModelState.LOADING, ModelState.REPLACING)
            for ensemble in status.model.ensembles
        )

    def announce(self) -> None:
        """Publish every model of the repository as being loaded, before Triton has started.

        Raises:
            ServeError: The repository cannot be read.
        """
        for model in self._repository.scan().values():
            self._statuses[model.name] = ModelStatus(model, ModelState.LOADING)
        self._publish()

    async def load_all(self) -> list[str]:
        """Load every model into an empty Triton, and return the names of the working models.

        Raises:
            ServeError: The repository cannot be read, or Triton has not survived its models.
        """
        self._scanned = self._repository.scan()
        self._statuses = {}
        self.lost_steps.clear()
        self._retirement.clear()
        loaded = []
        actions = self._plan(self._scanned)
        for action in actions:
            self._statuses[action.model.name] = ModelStatus(action.model, ModelState.LOADING)
        for action in actions:
            if isinstance(action, Load) and await self._load(action.model):
                loaded.append(action.model)
            elif isinstance(action, Reject):
                await self._reject(action)
        result = await self._probe.run()
        if result.server:
            raise ServeError(f"Triton has loaded the models, but {result.server}")
        for model in loaded:
            await self._verify(model, result)
        return [name for name, state in self.states.items() if state is ModelState.READY]

    async def reconcile(self) -> None:
        """Scan the repository and apply the changes that this scan confirms.

        Raises:
            ServeError: The repository cannot be read, or has disappeared.
        """
        current = self._repository.scan()
        desired = settled(self._scanned, current, self._statuses)
        self._scanned = current
        actions = self._plan(desired)
        await self._unload_retired()
        for action in actions:
            if isinstance(action, Unload):
                await self._remove(action.model)
        if any(isinstance(action, Load) for action in actions):
            # A new model needs the memory, and perhaps the public id, of a removed one.
            await self._unload_retired(at_once=True)
        for action in actions:
            if isinstance(action, Reject):
                await self._reject(action)
            elif isinstance(action, Load):
                await self._replace(action)

    def lose_step(self, step: str) -> bool:
        """Publish that the models that use a step are not served, because its process has ended.

        Returns:
            Whether any served model uses it. Otherwise Triton ended the process to unload the step.
        """
        if step in self._reviving:
            return False
        lost = {
            name: status
            for name, status in self._statuses.items()
            if (status.is_served or status.is_lost)
            and status.serving
            and step in status.serving.steps
        }
        if lost:
            self.lost_steps.add(step)
            self._lose(lost, f"the process of {step} has ended")
        return bool(lost)

    def lose_all(self, reason: str) -> None:
        """Publish that no model is served, because Triton has ended or will be restarted."""
        served = {name: each for name, each in self._statuses.items() if each.is_served}
        self._lose(served, reason)

    def _lose(self, statuses: Mapping[str, ModelStatus], reason: str) -> None:
        for name, status in statuses.items():
            self._statuses[name] = replace(status, state=ModelState.LOADING, reason=reason)
        self._publish()

    async def revive(self) -> list[str]:
        """Load the lost steps again, and return them.

        A model whose files have changed is unloaded instead, for `reconcile` to load.

        Raises:
            ServeError: The repository cannot be read, or has disappeared; try again later.
            TritonError: A step cannot be loaded; if this happens again, only a restart of Triton
                can help.
        """
        lost = [
            status.serving
            for status in self._statuses.values()
            if status.serving and not self.lost_steps.isdisjoint(status.serving.steps)
        ]
        current = self._repository.scan()
        models = [model for model in lost if current.get(model.name) == model]
        for model in lost:
            if model not in models:
                await self._abandon(model, removed=model.name not in current)
        steps = sorted({step for each in models for step in each.steps} & self.lost_steps)
        self.lost_steps.clear()
        self._reviving = frozenset(steps)
        try:
            await self._load_again(steps, models)
            for model in models:
                if not self._is_installed(model):
                    # A step of another export would make the model inconsistent.
                    raise TritonError(f"the files of {model.name} have changed", "UNKNOWN")
        except TritonError:
            self.lost_steps.update(steps)
            raise
        finally:
            self._reviving = frozenset()
        for model in models:
            self._set(model, ModelState.READY, serving=model)
        return steps

    async def _abandon(self, model: InstalledModel, *, removed: bool) -> None:
        """Unload a model that has lost a step and whose files have changed or are removed."""
        if removed:
            del self._statuses[model.name]
            self._publish()
        else:
            # Not equal to any version that a scan finds: the next settled one is loaded.
            unknown = replace(model, fingerprints={})
            self._set(unknown, ModelState.LOADING, reason="its files have changed")
        await self._unload_if_loaded(self._only_in(model))

    async def _load_again(self, steps: Sequence[str], models: Sequence[InstalledModel]) -> None:
        """Load steps and the ensembles of their models again, and probe the models."""
        ensembles = [name for model in models for name in model.ensembles]
        # Triton does not replace a step with unchanged files.
        await self._unload_if_loaded([*ensembles, *steps])
        for name in (*steps, *ensembles):
            owner = next(model for model in models if name in model.models)
            await self._loader.load_part(owner, name)
        result = await self._probe.run(ensembles)
        if reason := result.server or next(iter(result.models.values()), None):
            raise TritonError(reason, "INTERNAL")

    def _is_installed(self, model: InstalledModel) -> bool:
        """Return whether the files of `model` are still those in the repository."""
        with suppress(ServeError):
            return self._repository.scan().get(model.name) == model
        return False

    def _plan(self, desired: Models) -> list[Action]:
        rejections = self._rejections(desired)
        self._desired = {name: each for name, each in desired.items() if name not in rejections}
        for name in self._logged_rejections.keys() - rejections.keys():
            del self._logged_rejections[name]
        return diff(desired, self._statuses, rejections)

    def _rejections(self, desired: Models) -> dict[str, str]:
        """Return the reason for each model that must not be served.

        The model is incomplete, has another version, or its public id belongs to another model.
        """
        problems = {
            name: f"it {model.problem}"
            for name, model in desired.items()
            if model.is_managed and model.problem
        }
        return problems | self._served_names.rejections(desired)

    async def _reject(self, action: Reject) -> None:
        name = action.model.name
        # After a restart of Triton, all models are rejected again.
        if self._logged_rejections.get(name) != action.reason:
            logger.error("%s is not served: %s", name, action.reason)
        self._logged_rejections[name] = action.reason
        before = self._statuses.get(action.model.name)
        self._set(action.model, ModelState.FAILED, rejection=action.reason)
        if before and before.serving:
            await self._unload_if_loaded(self._only_in(before.serving))

    async def _replace(self, action: Load) -> None:
        """Load a new or changed model, verify it, and unload obsolete parts of its old version."""
        if action.unload_first:
            await self._unload_if_loaded(action.unload_first)
            await self._client.drain(action.unload_first)
            self._mark_unloaded(action.unload_first)
        before = self._statuses.get(action.model.name)
        if await self._load(action.model):
            await self._verify(action.model, await self._probe.run(action.model.ensembles))
        if before:
            await self._unload_obsolete(before.model)

    async def _load(self, model: InstalledModel) -> bool:
        """Load `model` and return whether that succeeded.

        If it failed, an older version that Triton still serves stays. Without one, everything
        that was loaded of `model` is unloaded.
        """
        before = self._statuses.get(model.name)
        serving = before.serving if before else None
        self._set(model, ModelState.REPLACING if serving else ModelState.LOADING, serving)
        logger.info("loading %s", model.name)
        try:
            await self._loader.load(model)
        except TritonError as error:
            if self._is_installed(model):
                logger.error("%s cannot be served: %s", model.name, error.message)
            else:
                # The failure may stem from the change itself; the next scan handles it.
                logger.info("%s was changed or removed while it was being loaded", model.name)
            self._fail(model, serving, error.message, error.status)
            if not serving:
                await self._unload_if_loaded(self._only_in(model))
            return False
        return True

    async def _verify(self, model: InstalledModel, result: ProbeResult) -> None:
        """Mark a loaded model as ready, or unload it if its first inference failed."""
        reasons = (result.models[name] for name in model.ensembles if name in result.models)
        reason = next(reasons, None)
        if reason is None:
            self._retries.forget(model.name)
            self._set(model, ModelState.READY, serving=model)
            return
        logger.error("%s failed its first inference (%s); unloading it", model.name, reason)
        self._fail(model, None, reason)
        await self._unload_if_loaded(self._only_in(model))

    def _fail(
        self, model: InstalledModel, serving: InstalledModel | None, reason: str, status: str = ""
    ) -> None:
        """Mark a model as failed, or for the next scan to load it again."""
        if not self._retries.allow(model.name, reason, status):
            self._set(model, ModelState.FAILED, serving, reason=reason)
            return
        state = ModelState.FAILED if serving else ModelState.LOADING
        self._set(replace(model, fingerprints={}), state, serving, reason=reason)

    async def _remove(self, model: InstalledModel) -> None:
        """Publish that a model is removed; it is unloaded once its last requests have finished."""
        del self._statuses[model.name]
        self._publish()
        await self._retirement.add(model)

    async def _unload_retired(self, *, at_once: bool = False) -> None:
        for model in await self._retirement.finished(at_once=at_once):
            await self._unload_obsolete(model)

    async def _unload_obsolete(self, model: InstalledModel) -> None:
        """Unload the Triton models of `model` that are not in the repository now."""
        for name in only_in(model, self._desired.values()):
            logger.info("unloading %s, which is no longer in the repository", name)
            try:
                await self._client.unload(name)
            except TritonError as error:
                logger.error("%s cannot be unloaded: %s", name, error.message)

    async def _unload_if_loaded(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(TritonError):
                await self._client.unload(name)

    def _only_in(self, model: InstalledModel) -> list[str]:
        others = (other for name, other in self._desired.items() if name != model.name)
        return only_in(model, others)

    def _set(
        self,
        model: InstalledModel,
        state: ModelState,
        serving: InstalledModel | None = None,
        rejection: str | None = None,
        reason: str = "",
    ) -> None:
        self._statuses[model.name] = ModelStatus(model, state, serving, rejection, reason)
        self._publish()

    def _publish(self) -> None:
        self._publish_models(published(self._statuses.values(), self._served_names.model_id))

    def _mark_unloaded(self, ensembles: Iterable[str]) -> None:
        for name, status in self._statuses.items():
            if status.serving and set(status.serving.ensembles) & set(ensembles):
                self._statuses[name] = replace(status, serving=None)
