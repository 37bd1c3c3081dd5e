"""Keeps the models that Triton has loaded equal to those in the repository's folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress

from tritonclient.utils import InferenceServerException

from triton_embed.repository.scanner import InstalledModel, scan
from triton_embed.serve import overrides
from triton_embed.serve.admin_client import AdminClient
from triton_embed.serve.errors import ServeError
from triton_embed.serve.settings import Settings

logger = logging.getLogger("serve")


class Reconciler:
    """Loads, reloads and unloads models of one running Triton.

    Triton's own polling would try a broken model again every few seconds, and could see a model
    half replaced. This one loads an entry as a whole, and a broken one again only once its files
    have changed.

    Args:
        settings: Where the model repository is, and what overrides its configurations.
        client: The running Triton.

    Attributes:
        unproven: Ensembles that `follow` is loading, or has loaded and not yet seen at work.
    """

    def __init__(self, settings: Settings, client: AdminClient) -> None:
        self._settings = settings
        self._folder = settings.repository
        self._client = client
        self.unproven: tuple[str, ...] = ()
        self._seen: dict[str, InstalledModel] = {}
        self._served: dict[str, InstalledModel] = {}
        self._settling: dict[str, InstalledModel] = {}
        # The entry that has the one public id which `Settings.served_model_name` gives.
        self._name_owner: str | None = None

    async def load_all(self) -> list[str]:
        """Load every entry into a Triton that has none, and return the names of those that work.

        Raises:
            ServeError: the repository cannot be read, or Triton has not survived its models.
        """
        self._seen = self._settling = scan(self._folder)
        self._served = {}
        if self._name_owner not in self._seen:
            self._name_owner = None
        loaded = [entry for entry in self._seen.values() if await self._load(entry)]
        failures = await self._client.failures()
        if "" in failures:
            raise ServeError(f"Triton has loaded the models, but {failures['']}")
        return [entry.name for entry in loaded if await self._works(entry, failures)]

    async def follow(self) -> None:
        """Do what changed in the folder since the last call.

        A changed entry is loaded once two calls in a row have found it the same, so that one
        that is being copied is left alone until it is complete.
        """
        found = scan(self._folder)
        for entry in found.values():
            before = self._seen.get(entry.name)
            if entry != before and entry == self._settling.get(entry.name):
                self._seen[entry.name] = entry
                self.unproven = entry.ensembles
                try:
                    await self._change(before, entry)
                finally:
                    self.unproven = ()
        for name in [name for name in self._seen if name not in {*found, *self._settling}]:
            self._served.pop(name, None)
            await self._unload(self._seen.pop(name))
        if self._name_owner and self._name_owner not in self._seen:
            # Those that were refused because of it are new again.
            self._seen = {name: entry for name, entry in self._seen.items() if not entry.model_id}
            self._name_owner = None
        self._settling = found

    async def _change(self, before: InstalledModel | None, entry: InstalledModel) -> None:
        served = self._served.get(entry.name)
        if served and len(entry.changed_steps(served)) > 1:
            # Triton changes one step at a time: texts would go through old and new ones.
            del self._served[entry.name]
            await self._take_down(served.ensembles)
            await self._client.drain(served.ensembles)
        if await self._load(entry):
            await self._works(entry, await self._client.failures(entry.ensembles))
        if before:
            await self._unload(before)

    async def _load(self, entry: InstalledModel) -> bool:
        """Load `entry` and return whether that went well.

        If not, an older version that Triton still serves stays; where there is none, what was
        loaded of `entry` is unloaded.
        """
        if self._settings.served_model_name and entry.model_id:
            self._name_owner = self._name_owner or entry.name
            if self._name_owner != entry.name:
                logger.error(
                    "%s cannot be served: %s has the one name that --served-model-name gives",
                    entry.name,
                    self._name_owner,
                )
                return False
        logger.info("loading %s", entry.name)
        try:
            configs = {
                model: overrides.configuration(self._folder / model, self._settings)
                for model in entry.models
            }
            if any(configs.values()):
                for model, config in configs.items():
                    await self._client.load(model, config)
            else:
                # An ensemble brings its steps with it, and Triton loads them side by side.
                for ensemble in entry.ensembles:
                    await self._client.load(ensemble)
        except InferenceServerException as error:
            if scan(self._folder).get(entry.name) == entry:
                logger.error("%s cannot be served: %s", entry.name, error.message())
            else:
                # What Triton complains of may be gone too; `follow` does what the change asks for.
                logger.info("%s was changed or removed while it was being loaded", entry.name)
            if entry.name not in self._served:
                await self._take_down(self._only_in(entry))
            return False
        return True

    async def _works(self, entry: InstalledModel, failures: Mapping[str, str]) -> bool:
        """Return whether none of the `failures` is of `entry`, which is unloaded if one is."""
        reason = next((failures[name] for name in entry.ensembles if name in failures), None)
        if reason is None:
            self._served[entry.name] = entry
            return True
        logger.error("%s; not serving it", reason)
        self._served.pop(entry.name, None)
        await self._take_down(self._only_in(entry))
        return False

    async def _take_down(self, models: Iterable[str]) -> None:
        """Unload those of `models` that Triton has."""
        for model in models:
            with suppress(InferenceServerException):
                await self._client.unload(model)

    async def _unload(self, entry: InstalledModel) -> None:
        """Unload what was in `entry` and is in no entry now."""
        for model in self._only_in(entry):
            logger.info("unloading %s, which is no longer in the repository", model)
            try:
                await self._client.unload(model)
            except InferenceServerException as error:
                logger.error("%s cannot be unloaded: %s", model, error.message())

    def _only_in(self, entry: InstalledModel) -> list[str]:
        """Return what is in `entry` and in no other, the ensembles first."""
        others = [other for other in self._seen.values() if other is not entry]
        kept = {model for other in others for model in other.models}
        return [model for model in reversed(entry.models) if model not in kept]
