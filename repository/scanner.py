"""Scanner of a model repository: the one rule that groups Triton models into installed models.

- Triton models with the same ``model_id`` in their parameters are one model. Their ``role`` is the
  purpose of each (see `contract.serialization.Identity`). Ids that differ in case only have the
  same Triton names and are one model too.
- A Triton model without these parameters is the user's own, even if it is an ensemble over steps
  of an exported model. Its own steps belong to it.
- A part of an exported model that has lost its configuration is recognized by the name that the
  pipeline declares for it, so that an incomplete model can be shown, removed and replaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract import naming
from triton_embed.contract.pipeline import Pipeline, Role
from triton_embed.contract.pipelines import PIPELINES
from triton_embed.contract.serialization import Identity, SpecError, spec_from_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import config, layout
from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.fingerprint import Fingerprint, file_sizes, fingerprint
from triton_embed.repository.model import InstalledModel

ENSEMBLE_ROLES = (Role.ENTRY, Role.TEXT, Role.DIRECT, Role.ALIAS)
"""Roles of the Triton models that clients can name, in the order of `InstalledModel.ensembles`."""

STEP_ROLES = frozenset(step.role.value for kind in PIPELINES.values() for step in kind.steps)
"""Roles of the Triton models that compute."""

CACHED_FOLDERS = 4096
"""Number of folders whose configuration is kept parsed until a file changes. A model has about
six; in a repository with more folders, all are parsed at every scan."""


@dataclass(frozen=True)
class _Folder:
    """One folder of the repository: a Triton model, or its remains.

    Attributes:
        name: Its name, which is Triton's name of the model.
        fingerprint: Its fingerprint.
        config: The configuration; ``None`` if Triton could not use it.
        identity: The identity in the configuration; ``None``: a user's own model, or not readable.
        problem: The reason why there is no `config`.
    """

    name: str
    fingerprint: Fingerprint
    config: pb.ModelConfig | None = None
    identity: Identity | None = None
    problem: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The ``parameters`` of the configuration."""
        return config.parameters(self.config) if self.config else {}

    @property
    def is_step(self) -> bool:
        """True if it computes, as a part of an exported model."""
        return self.identity is not None and self.identity.role in STEP_ROLES

    @property
    def steps(self) -> tuple[str, ...]:
        """Triton models that it uses as an ensemble."""
        return config.steps(self.config) if self.config else ()


_Folders = Mapping[str, _Folder]


def scan(repository: Path, *, missing_ok: bool = False) -> list[InstalledModel]:
    """Return every model in the folder `repository`, broken ones too, sorted by id.

    Folders whose names start with a dot are skipped: an export may be writing there.

    Args:
        repository: The folder.
        missing_ok: Return nothing if there is no such folder.

    Raises:
        RepositoryError: the folder does not exist or cannot be read.
    """
    try:
        paths = [path for path in repository.iterdir() if path.is_dir() and path.name[0] != "."]
    except FileNotFoundError:
        if missing_ok:
            return []
        raise RepositoryError(f"there is no model repository '{repository}'") from None
    except OSError as error:
        raise RepositoryError(
            f"the model repository '{repository}' cannot be read: {error}"
        ) from None
    folders = {path.name: _read(path, fingerprint(path)) for path in sorted(paths)}
    groups = _groups(folders)
    managed = {folder.name for members in groups for folder in members}
    models = [_managed(repository, members, folders) for members in groups]
    models += _users_own(repository, folders, managed)
    return sorted(models, key=lambda model: model.display_name.lower())


def find(repository: Path, model: str) -> InstalledModel:
    """Return the model with the public id or the Triton name `model`.

    Raises:
        RepositoryError: there is none; the message lists the installed models.
    """
    models = scan(repository)
    for each in models:
        if model.lower() == each.display_name.lower() or model == each.name:
            return each
    installed = ", ".join(f"'{each.display_name}'" for each in models) or "nothing"
    raise RepositoryError(
        f"there is no model '{model}' in {repository}; installed are: {installed}"
    )


@lru_cache(maxsize=CACHED_FOLDERS)
def _read(path: Path, facts: Fingerprint) -> _Folder:
    try:
        found = config.read(path)
    except FileNotFoundError:
        return _Folder(path.name, facts, problem=f"has no {layout.CONFIG_FILE}")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        return _Folder(path.name, facts, problem=f"cannot be read: {reason}")
    if found.name not in ("", path.name):
        problem = f"is not accepted by Triton: its {layout.CONFIG_FILE} names '{found.name}'"
        return _Folder(path.name, facts, problem=problem)
    return _Folder(path.name, facts, found, Identity.from_parameters(config.parameters(found)))


def _groups(folders: _Folders) -> list[list[_Folder]]:
    """Return the folders of each exported model."""
    groups: defaultdict[str, list[_Folder]] = defaultdict(list)
    for folder in folders.values():
        if folder.identity:
            groups[folder.identity.model_id.lower()].append(folder)
    for model_id, members in groups.items():
        used = {step for member in members for step in member.steps}
        for name in sorted(_declared_names(model_id)):
            part = folders.get(name)
            if part and not part.identity and (part.problem or name in used):
                members.append(part)
    return list(groups.values())


def _declared_names(model_id: str) -> set[str]:
    return {name for kind in PIPELINES.values() for name in kind.triton_models(model_id)}


def _managed(repository: Path, members: Sequence[_Folder], folders: _Folders) -> InstalledModel:
    """Return the exported model that consists of the folders `members`."""
    roles = _roles(members)
    entry = folders.get(roles.get(Role.ENTRY, ""))
    identity = next(each.identity for each in (entry, *members) if each and each.identity)
    ensembles = [
        folder.name
        for role in ENSEMBLE_ROLES
        for folder in members
        if folder.identity and folder.identity.role == role.value
    ]
    steps = dict.fromkeys(step for name in ensembles for step in folders[name].steps)
    others = sorted({folder.name for folder in members}.difference(ensembles))
    # The router calls steps that are in no ensemble.
    steps |= dict.fromkeys(folder.name for folder in members if folder.is_step)
    parts = [folders[name] for name in {*ensembles, *steps, *others} if name in folders]
    spec, problem = None, None
    try:
        spec = _spec(identity, roles, folders)
    except SpecError as error:
        problem = str(error)
    return InstalledModel(
        repository=repository,
        name=entry.name if entry else _name_without_entry(identity.model_id, members, folders),
        identity=identity,
        ensembles=tuple(ensembles),
        steps=tuple(steps),
        folders=(*ensembles, *others),
        fingerprints={part.name: part.fingerprint for part in parts},
        roles=roles,
        spec=spec,
        problem=problem,
        configs={part.name: part.config for part in parts if part.config},
    )


def _roles(members: Iterable[_Folder]) -> dict[Role, str]:
    roles: dict[Role, str] = {}
    for member in members:
        with suppress(ValueError):  # Written by another version.
            roles.setdefault(Role(member.identity.role if member.identity else ""), member.name)
    return roles


def _name_without_entry(model_id: str, members: Sequence[_Folder], folders: _Folders) -> str:
    """Return the name of the entry that is missing, unless a user's own model has it."""
    name = naming.triton_model_name(model_id)
    return members[0].name if folders.get(name) not in (None, *members) else name


def _spec(identity: Identity, roles: Mapping[Role, str], folders: _Folders) -> ModelSpec:
    """Return the spec of an exported model that is complete.

    Raises:
        SpecError: the model has another version, or is incomplete.
    """
    identity.check_version()
    remedy = f"export it again with '{identity.export_command}'"
    pipeline = PIPELINES.get(identity.pipeline)
    if pipeline is None:
        raise SpecError(f"is of the unknown kind '{identity.pipeline}': {remedy}")
    if problem := next(_missing(pipeline, identity.model_id, roles, folders), None):
        raise SpecError(f"{problem}: {remedy}")
    parts = (folders[name].identity for name in roles.values())
    if len({part.exported_at for part in parts if part}) > 1:
        # An export that was killed while it moved them, or two at once.
        raise SpecError(f"has parts of several exports: {remedy}")
    try:
        return spec_from_parameters(folders[roles[Role.ENTRY]].parameters)
    except SpecError as error:
        raise SpecError(f"{error}: {remedy}") from None


def _missing(
    pipeline: Pipeline, model_id: str, roles: Mapping[Role, str], folders: _Folders
) -> Iterator[str]:
    """Yield each part without which the model cannot be served, as a sentence.

    The direct ensemble and the alias are not among them.
    """
    needed = [Role.ENTRY, *(step.role for step in pipeline.steps)]
    names = {role: name for name, role in pipeline.triton_models(model_id).items()}
    for role in needed:
        if role not in roles:
            folder = folders.get(names[role])
            reason = f", which {folder.problem}" if folder and folder.problem else ""
            yield f"lacks '{names[role]}'{reason}"
    for step in folders[roles[Role.ENTRY]].steps:
        if step not in folders:
            yield f"lacks '{step}'"
    for declared in pipeline.steps:
        name = roles[declared.role]
        files = file_sizes(folders[name].fingerprint)
        for file in declared.files:
            if f"{layout.VERSION_FOLDER}/{file}" not in files:
                yield f"lacks the file '{name}/{layout.VERSION_FOLDER}/{file}'"


def _users_own(
    repository: Path, folders: _Folders, managed: Collection[str]
) -> Iterator[InstalledModel]:
    """Yield the models of the user's own; steps of an ensemble belong to the ensemble."""
    used = {step for folder in folders.values() for step in folder.steps}
    for name, folder in folders.items():
        if name in managed or name in used:
            continue
        steps = _all_steps(folder, folders)
        own = [step for step in reversed(steps) if step in folders and step not in managed]
        parts = [folders[part] for part in {name, *steps} if part in folders]
        yield InstalledModel(
            repository=repository,
            name=name,
            identity=None,
            ensembles=(name,),
            steps=steps,
            folders=(name, *own),
            fingerprints={part.name: part.fingerprint for part in parts},
            problem=folder.problem,
            configs={part.name: part.config for part in parts if part.config},
        )


def _all_steps(ensemble: _Folder, folders: _Folders) -> tuple[str, ...]:
    """Return the steps of an ensemble; a nested ensemble comes after its own steps."""
    steps: dict[str, None] = {}
    seen = {ensemble.name}

    def add(folder: _Folder) -> None:
        for step in folder.steps:
            if step not in seen:
                seen.add(step)
                if step in folders:
                    add(folders[step])
                steps[step] = None

    add(ensemble)
    return tuple(steps)
