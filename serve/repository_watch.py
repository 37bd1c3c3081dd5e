"""Scans of the model repository that distinguish a removed model from a lost repository."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from triton_embed.serve.actions import Models
from triton_embed.serve.aliases import with_aliases
from triton_embed.serve.errors import ServeError
from triton_embed.serve.loadable import loadable_models


class RepositoryWatch:
    """Scans one model repository repeatedly.

    Models stay in Triton's memory if their repository disappears, for example because a network
    drive is lost: a model is unloaded only if it was removed and the folder still exists.

    Args:
        folder: The model repository.
        served_names: Names of its only model, see `aliases.with_aliases`.
    """

    def __init__(self, folder: Path, served_names: Sequence[str] = ()) -> None:
        self._folder = folder
        self._served_names = served_names
        self._filled: tuple[int, int] | None = None

    def scan(self) -> Models:
        """Return the models to load, by name.

        Raises:
            ServeError: The folder cannot be read, or it held models and has disappeared.
        """
        found = loadable_models(self._folder)
        models = {name: with_aliases(model, self._served_names) for name, model in found.items()}
        folder = self._identity()
        if models:
            self._filled = folder
        elif self._filled and folder != self._filled:
            # The mount point of a lost volume is another folder, and empty.
            raise ServeError(
                f"the model repository '{self._folder}' has disappeared; loaded models stay "
                "served, but cannot be loaded again until it is back"
            )
        return models

    def _identity(self) -> tuple[int, int] | None:
        """Return the device and inode of the folder; ``None`` if there is none."""
        try:
            facts = os.stat(self._folder)
        except OSError:
            return None
        return facts.st_dev, facts.st_ino
