"""Reads from the model repository's folder what there is to serve, and notices changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from triton_embed.serve.errors import ServeError

Fingerprint = tuple[tuple[str, int, int], ...]
"""Of the files of a model: the path, the time of the last change and the size of each."""


@dataclass(frozen=True)
class InstalledModel:
    """A model with the models that it is made of.

    Attributes:
        ensembles: Those of the same steps, or a model that stands alone.
        steps: What they are made of, in order.
        model_id: The public id; empty for what is no model of ours, or cannot be read.
        fingerprints: By model, what changes whenever one of its files does.
    """

    ensembles: tuple[str, ...]
    steps: tuple[str, ...]
    model_id: str
    fingerprints: Mapping[str, Fingerprint]

    @property
    def name(self) -> str:
        """Triton's name of the model."""
        return self.ensembles[0]

    @property
    def models(self) -> tuple[str, ...]:
        """Everything to load, in order."""
        return self.steps + self.ensembles

    def changed_steps(self, before: InstalledModel) -> list[str]:
        """Return the steps whose files are not those that they had in `before`."""
        facts = before.fingerprints
        return [step for step in self.steps if self.fingerprints[step] != facts.get(step)]


def scan(folder: Path) -> dict[str, InstalledModel]:
    """Return the entries of the repository in `folder`, by name.

    A model whose config.pbtxt cannot be read is an entry of its own, for Triton to refuse with
    its reason. Folders whose names begin with a dot are an export at work.

    Raises:
        ServeError: the folder cannot be read.
    """
    try:
        paths = sorted(folder.glob("*/config.pbtxt"))
    except OSError as error:
        raise ServeError(f"the model repository '{folder}' cannot be read: {error}") from None
    configs = {
        path.parent.name: read_config(path.parent)
        for path in paths
        if not path.parent.name.startswith(".")
    }
    steps = {name: _steps(config) for name, config in configs.items()}
    inner = {step for names in steps.values() for step in names}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, used in steps.items():
        if name not in inner:
            # Ensembles that begin alike are one model: an alias, or one that ends earlier.
            groups[used[0] if used else name].append(name)
    entries = [
        _entry(folder, names, steps, max(_model_id(configs[name]) for name in names))
        for names in groups.values()
    ]
    return {entry.name: entry for entry in entries}


def read_config(model: Path) -> model_config_pb2.ModelConfig | None:
    """Return the config.pbtxt in a model's folder, or ``None`` if it cannot be read."""
    config = model_config_pb2.ModelConfig()
    try:
        text = (model / "config.pbtxt").read_text(encoding="utf-8")
        text_format.Parse(text, config, allow_unknown_field=True)
    except (OSError, ValueError, text_format.ParseError):
        return None
    return config


def _entry(
    folder: Path, names: list[str], steps: Mapping[str, tuple[str, ...]], model_id: str
) -> InstalledModel:
    # An alias has capitals, a shorter ensemble a longer name.
    ensembles = tuple(sorted(names, key=lambda name: (name != name.lower(), name)))
    used = tuple(dict.fromkeys(step for name in ensembles for step in steps[name]))
    fingerprints = {model: _fingerprint(folder / model) for model in used + ensembles}
    return InstalledModel(ensembles, used, model_id, fingerprints)


def _steps(config: model_config_pb2.ModelConfig | None) -> tuple[str, ...]:
    if config is None:
        return ()
    return tuple(dict.fromkeys(step.model_name for step in config.ensemble_scheduling.step))


def _model_id(config: model_config_pb2.ModelConfig | None) -> str:
    # Steps that were left behind have it too. To ask for a key that is not there would add it.
    if config is None or not config.ensemble_scheduling.step or "model_id" not in config.parameters:
        return ""
    return str(config.parameters["model_id"].string_value)


def _fingerprint(model: Path) -> Fingerprint:
    facts: list[tuple[str, int, int]] = []
    try:
        for path in sorted(model.rglob("*")):
            status = path.stat()
            facts.append((str(path), status.st_mtime_ns, status.st_size))
    except OSError as error:
        # It is being removed or replaced, or is not ours to read: Triton will say.
        facts.append((f"{model.name}: {error.strerror}", 0, 0))
    return tuple(facts)
