"""The names that ``--served-model-name`` gives to one model."""

from __future__ import annotations

from collections.abc import Sequence

from triton_embed.serve.actions import Models
from triton_embed.serve.aliases import is_alias


class ServedNames:
    """The public names of the first model that claims them, until it is removed.

    Args:
        names: Its public id, and its aliases; empty: models keep the id of their export.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._owner: str | None = None

    @property
    def model_id(self) -> str | None:
        """The public id; ``None``: models keep the id of their export."""
        return self._names[0] if self._names else None

    def rejections(self, models: Models) -> dict[str, str]:
        """Return the reason for each model that must not be served.

        Args:
            models: All models, by Triton's name of their entry.
        """
        candidates = [name for name, each in models.items() if each.is_managed and not each.problem]
        if not self._names or not candidates:
            return {}
        if self._owner not in candidates:
            self._owner = candidates[0]
        reason = f"--served-model-name is already used by {self._owner}"
        rejections = {name: reason for name in candidates if name != self._owner}
        owner = models[self._owner]
        taken = {part for model in models.values() for part in model.fingerprints}
        for name in owner.ensembles:
            if is_alias(owner, name) and name in taken:
                rejections[owner.name] = (
                    f"--served-model-name needs the name '{name}' for Triton, which another model "
                    "has"
                )
        return rejections
