"""What is installed in a model repository: each model with its spec and its files, whole or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_embed.contract import naming, pipelines
from triton_embed.contract.pipeline import Step
from triton_embed.contract.serialization import SpecError, spec_from_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.errors import ExportError
from triton_embed.repository import config
from triton_embed.repository.files import sizes
from triton_embed.repository.provenance import Provenance

STEPS = pipelines.TEXT.steps


@dataclass(frozen=True)
class InstalledModel:
    """A model of the repository, or what is left of one.

    Attributes:
        name: Triton's name.
        models: Every model of Triton that it consists of: ensembles first, then steps. In this
            order they can be removed, as no ensemble is ever left without its steps.
        files: Bytes of each file, by its path in the repository.
        spec: ``None`` if it cannot be read.
        problem: What is wrong with it, if it cannot be served.
        origin: Where it came from, if that is known.
        parity: The figures measured at export.
    """

    name: str
    models: tuple[str, ...]
    files: Mapping[str, int]
    spec: ModelSpec | None = None
    problem: str | None = None
    origin: Provenance | None = None
    parity: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """The public id, or Triton's name if the id is not known."""
        return self.spec.model_id if self.spec else self.name

    @property
    def ours(self) -> bool:
        """Whether an export made it: a foreign model has neither a spec nor such steps."""
        steps = {step.triton_name(self.name.lower()) for step in STEPS}
        return self.spec is not None or not steps.isdisjoint(self.models)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self.files.values())


def read_all(folder: Path) -> list[InstalledModel]:
    """Return every entry of the repository in `folder`, by name; broken ones too.

    Raises:
        ExportError: there is no such folder.
    """
    if not folder.is_dir():
        raise ExportError(f"there is no model repository '{folder}'")
    models = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."}
    steps = {name: _steps(folder / name) for name in sorted(models)}
    entries = []
    seen: set[str] = set()
    # What has the usual name belongs to its ensemble even if that cannot be read.
    inner = {part for name in models for part in _parts(name)}
    inner |= {step for used in steps.values() for step in used}
    for name in sorted(models - inner, key=lambda name: (name != name.lower(), name)):
        if name in seen:
            continue
        used = steps[name] or tuple(step.triton_name(name) for step in STEPS)
        others = [
            other
            for other, its in steps.items()
            if other != name and its and set(its) <= set(used) and _is_variant(other, name)
        ]
        members = (name, *others, *(step for step in used if step in models))
        seen.update(members)
        entries.append(_entry(folder, name, members))
    return sorted(entries, key=lambda entry: entry.title.lower())


def _is_variant(other: str, name: str) -> bool:
    """Return whether the ensemble `other` is an alias of `name`, or one that ends earlier."""
    return other.lower() in (name.lower(), pipelines.TEXT_DIRECT.triton_name(name.lower()))


def find(folder: Path, model: str) -> InstalledModel:
    """Return the entry with the public id or the Triton name `model`.

    Raises:
        ExportError: there is none; the message names those that there are.
    """
    entries = read_all(folder)
    for entry in entries:
        if entry.title.lower() == model.lower() or model == entry.name:
            return entry
    there = ", ".join(f"'{entry.title}'" for entry in entries) or "nothing"
    raise ExportError(f"there is no model '{model}' in {folder}; there is {there}")


def replaced(folder: Path, model_id: str) -> InstalledModel | None:
    """Return the entry of the same id in `folder` that exporting `model_id` replaces.

    The ids may differ in case, and then the entry has an alias that the new one does not need.

    Raises:
        ExportError: it would replace a model of another id, a part of one, or a foreign model.
    """
    name = naming.triton_model_name(model_id)
    needed = {name, naming.case_preserving_name(model_id), *_parts(name)}
    found = None
    for entry in read_all(folder) if folder.is_dir() else ():
        taken = sorted(needed & set(entry.models))
        if not taken or _is_rest(folder, entry, name):
            continue
        if not entry.ours:
            raise ExportError(
                f"'{model_id}' would replace '{entry.title}' in {folder}, which was not made by "
                "'python -m triton_embed.export'; choose another --model-id, or remove it yourself"
            )
        if entry.title.lower() != model_id.lower():
            raise ExportError(
                f"'{model_id}' would replace '{entry.title}' in {folder}: both need the name "
                f"'{taken[0]}' for Triton; choose another --model-id"
            )
        found = entry
    return found


def _is_rest(folder: Path, entry: InstalledModel, name: str) -> bool:
    """Return whether `entry` is what was left behind of a model `name`, and nothing is lost."""
    if f"{entry.name}/config.pbtxt" not in entry.files:
        return True
    if entry.name == name or entry.spec is not None:
        return False
    return any(_has_id(folder / model) for model in entry.models)


def _has_id(model: Path) -> bool:
    """Return whether a model has a spec, as the steps of ours do that need one."""
    try:
        return "model_id" in config.parameters(config.read(model))
    except (OSError, ValueError):
        return False


def _parts(name: str) -> list[str]:
    steps = [step.triton_name(name) for step in STEPS]
    return [*steps, pipelines.TEXT_DIRECT.triton_name(name)]


def version(folder: Path, entry: InstalledModel, step: Step) -> Path:
    """Return the folder of the files of one step of `entry`."""
    return folder / step.triton_name(entry.name) / "1"


def _steps(model: Path) -> tuple[str, ...]:
    try:
        scheduling = config.read(model).ensemble_scheduling
    except (OSError, ValueError):
        return ()
    return tuple(dict.fromkeys(step.model_name for step in scheduling.step))


def _entry(folder: Path, name: str, members: tuple[str, ...]) -> InstalledModel:
    files = {
        f"{member}/{path}": size
        for member in members
        for path, size in sizes(folder / member).items()
    }
    where = folder / pipelines.ENCODER.triton_name(name) / "1"
    spec, problem = _spec(folder / name)
    return InstalledModel(
        name,
        members,
        files,
        spec,
        problem or _missing(name, _steps(folder / name), files),
        Provenance.read(where),
        _parity(where),
    )


def _spec(model: Path) -> tuple[ModelSpec | None, str | None]:
    """Return the spec of an ensemble, or why it has none."""
    try:
        ensemble = config.read(model)
    except FileNotFoundError:
        return None, "has no config.pbtxt"
    except (OSError, ValueError) as error:
        return None, f"cannot be read: {' '.join(str(error).split())}"
    if not ensemble.ensemble_scheduling.step:
        return None, "is not an ensemble"
    try:
        return spec_from_parameters(config.parameters(ensemble)), None
    except SpecError as error:
        return None, str(error)


def _missing(name: str, steps: Sequence[str], files: Mapping[str, int]) -> str | None:
    for step in steps:
        if f"{step}/config.pbtxt" not in files:
            return f"lacks its step '{step}'"
    for with_files in (pipelines.TOKENIZER, pipelines.ENCODER):
        version = f"{with_files.triton_name(name)}/1/"
        if not any(path.startswith(version) for path in files):
            return f"has no files in '{version}'"
    return None


def _parity(where: Path) -> Mapping[str, Any] | None:
    try:
        return dict(json.loads((where / "parity.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
