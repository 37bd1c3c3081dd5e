"""Ensembles under the names of ``--served-model-name``, which only the running Triton has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract.naming import case_preserving_name, triton_model_name
from triton_embed.contract.pipeline import Role
from triton_embed.repository.model import InstalledModel


def alias_names(model: InstalledModel, served_names: Iterable[str]) -> list[str]:
    """Return the names for Triton that `model` lacks.

    Args:
        model: An installed model.
        served_names: Its public names.
    """
    names = (
        name
        for served in served_names
        for name in (triton_model_name(served), case_preserving_name(served))
    )
    return [name for name in dict.fromkeys(names) if name not in model.models]


def with_aliases(model: InstalledModel, served_names: Sequence[str]) -> InstalledModel:
    """Return `model` with a copy of its entry under each name that it lacks.

    A model of the user's own, or one that cannot be served, is returned as it is.

    Args:
        model: An installed model.
        served_names: Its public names.
    """
    entry = model.configs.get(model.name)
    if not model.is_managed or model.problem or entry is None:
        return model
    configs = {name: _alias(entry, name) for name in alias_names(model, served_names)}
    return replace(
        model,
        ensembles=(*model.ensembles, *configs),
        configs={**model.configs, **configs},
    )


def is_alias(model: InstalledModel, name: str) -> bool:
    """Return whether the repository has no folder for the Triton model `name` of `model`."""
    return name not in model.fingerprints


def _alias(entry: pb.ModelConfig, name: str) -> pb.ModelConfig:
    config = pb.ModelConfig()
    config.CopyFrom(entry)
    config.name = name
    config.parameters["role"].string_value = Role.ALIAS.value
    return config
