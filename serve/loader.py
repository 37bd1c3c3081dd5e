"""Keeps the models that Triton has loaded equal to those in the repository's folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress

from tritonclient.utils import InferenceServerException

from serve import overrides
from serve.repository import Entry, scan
from serve.settings import Settings
from serve.triton import TritonClient

logger = logging.getLogger("serve")


class Loader:
    """Loads, reloads and unloads models of one running Triton.

    Triton's own polling would try a broken model again every few seconds, and could see a model
    half replaced. This one loads an entry as a whole, and a broken one again only once its files
    have changed.

    Args:
        settings: Where the model repository is, and what overrides its configurations.
        client: The running Triton.
    """

    def __init__(self, settings: Settings, client: TritonClient) -> None:
        self._settings = settings
        self._folder = settings.repository
        self._client = client
        self._seen: dict[str, Entry] = {}
        self._settling: dict[str, Entry] = {}

    async def load_all(self) -> list[str]:
        """Load every entry into a Triton that has none, and return the names of those that work."""
        self._seen = self._settling = scan(self._folder)
        return [entry.name for entry in self._seen.values() if await self._load(entry)]

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
                await self._load(entry)
                if before:
                    await self._unload(before)
        for name in [name for name in self._seen if name not in {*found, *self._settling}]:
            await self._unload(self._seen.pop(name))
        self._settling = found

    async def _load(self, entry: Entry) -> bool:
        logger.info("loading %s", entry.name)
        try:
            configs = {
                model: overrides.configuration(self._folder / model, self._settings)
                for model in entry.models
            }
            if any(configs.values()):
                await self._load_steps(entry, configs)
            else:
                # The call for an ensemble changes all its steps at once.
                for ensemble in entry.ensembles:
                    await self._client.load(ensemble)
        except InferenceServerException as error:
            if scan(self._folder).get(entry.name) == entry:
                logger.error("%s cannot be served: %s", entry.name, error.message())
            else:
                # What Triton complains of may be gone too; `follow` does what the change asks for.
                logger.info("%s was changed or removed while it was being loaded", entry.name)
            return False
        return True

    async def _load_steps(self, entry: Entry, configs: Mapping[str, str | None]) -> None:
        """Load model by model; if one fails, the entry is not served with steps that differ."""
        try:
            for model, config in configs.items():
                await self._client.load(model, config)
        except InferenceServerException:
            for ensemble in entry.ensembles:
                with suppress(InferenceServerException):
                    await self._client.unload(ensemble)
            raise

    async def _unload(self, entry: Entry) -> None:
        """Unload what was in `entry` and is in no entry now."""
        kept = {model for other in self._seen.values() for model in other.models}
        for model in [model for model in reversed(entry.models) if model not in kept]:
            logger.info("unloading %s, which is no longer in the repository", model)
            try:
                await self._client.unload(model)
            except InferenceServerException as error:
                logger.error("%s cannot be unloaded: %s", model, error.message())
