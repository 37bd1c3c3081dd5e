"""Loads installed models into Triton, with the overrides of a deployment."""

from __future__ import annotations

from triton_embed.repository.model import InstalledModel
from triton_embed.serve.admin_client import TritonAdmin
from triton_embed.serve.aliases import is_alias
from triton_embed.serve.overrides import Overrides, to_json


class ModelLoader:
    """Loads the Triton models of installed models. Each method may raise `TritonError`.

    Args:
        client: The running Triton.
        overrides: Changes to the configurations in the repository.
    """

    def __init__(self, client: TritonAdmin, overrides: Overrides) -> None:
        self._client = client
        self._overrides = overrides

    async def load(self, model: InstalledModel) -> None:
        """Load all Triton models of `model`."""
        own = (name for name in model.models if not is_alias(model, name))
        is_changed = any(self._override(model, name) for name in own)
        # Triton loads the steps of an ensemble with it, in parallel.
        for name in model.models if is_changed else model.roots:
            await self.load_part(model, name)

    async def load_part(self, model: InstalledModel, name: str) -> None:
        """Load the Triton model `name` of `model`."""
        override = self._override(model, name)
        if is_alias(model, name):
            await self._client.load_alias(name, override or to_json(model.configs[name]))
        else:
            await self._client.load(name, override)

    def _override(self, model: InstalledModel, name: str) -> str | None:
        # A configuration that cannot be read is loaded as it is: Triton describes the error.
        config = model.configs.get(name)
        return config and self._overrides.overridden_config(config)
