"""`InstalledModel`: one model of a repository, with all Triton models that it consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract.pipeline import Role
from triton_embed.contract.serialization import Identity
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import config as configurations
from triton_embed.repository import layout
from triton_embed.repository.fingerprint import Fingerprint, file_sizes


@dataclass(frozen=True)
class InstalledModel:
    """A model that an export installed, whole or in part, or a model of the user's own.

    Two of them are equal if no file differs.

    Attributes:
        repository: The folder that holds it.
        name: Triton's name of the entry. For a model of the user's own: its name.
        identity: The parameters of the export; ``None``: the model is the user's own.
        ensembles: Triton models that clients can name, the entry first. For a model of the user's
            own: its name.
        steps: Triton models that the ensembles use, in order. A user's ensemble may use steps that
            belong to another model, or that do not exist.
        folders: Names of the folders that belong to the model. In this order they can be removed
            from a repository that is being served: ensembles come before their steps.
        fingerprints: Fingerprint of each of these Triton models.
        roles: Triton's name of the ensemble or step with each role.
        spec: The model's spec; ``None`` if it cannot be read.
        problem: The reason why the model cannot be served, as a sentence without its subject, and
            the remedy. For a user's own model, only that its configuration cannot be read.
        configs: Configuration of each Triton model that has a readable one. Read-only: scans
            share them.
    """

    repository: Path
    name: str
    identity: Identity | None
    ensembles: tuple[str, ...]
    steps: tuple[str, ...]
    folders: tuple[str, ...]
    fingerprints: Mapping[str, Fingerprint]
    roles: Mapping[Role, str] = field(default_factory=dict)
    spec: ModelSpec | None = None
    problem: str | None = None
    configs: Mapping[str, pb.ModelConfig] = field(default_factory=dict, compare=False, repr=False)

    @property
    def display_name(self) -> str:
        """The public id, or the name of a model of the user's own."""
        return self.identity.model_id if self.identity else self.name

    @property
    def is_managed(self) -> bool:
        """True if an export made the model; a model of the user's own is never changed."""
        return self.identity is not None

    @property
    def has_config(self) -> bool:
        """True if there is a config.pbtxt; Triton ignores other folders."""
        return any(f"{name}/{layout.CONFIG_FILE}" in self.files for name in self.folders)

    @property
    def models(self) -> tuple[str, ...]:
        """All Triton models to load, in order: an ensemble comes after its steps."""
        return self.steps + self.ensembles

    @property
    def roots(self) -> tuple[str, ...]:
        """The Triton models that bring all others along: ensembles, and steps that are in none."""
        used = {step for name in self.ensembles for step in self._steps_of(name)}
        return tuple(step for step in self.steps if step not in used) + self.ensembles

    def _steps_of(self, ensemble: str) -> tuple[str, ...]:
        config = self.configs.get(ensemble)
        return configurations.steps(config) if config else ()

    @property
    def files(self) -> dict[str, int]:
        """Bytes of each file, by its path in the repository."""
        return {
            f"{name}/{path}": size
            for name in self.folders
            for path, size in file_sizes(self.fingerprints[name]).items()
        }

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self.files.values())

    def version_folder(self, role: Role) -> Path | None:
        """Return the folder with the files of the step with `role`, if the step exists."""
        name = self.roles.get(role)
        return layout.version_folder(self.repository, name) if name else None

    def changed_steps(self, before: InstalledModel) -> list[str]:
        """Return the steps whose files differ from those in `before`."""
        facts = before.fingerprints
        return [step for step in self.steps if self.fingerprints.get(step) != facts.get(step)]
