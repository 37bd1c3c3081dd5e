"""Conflicts of an export with the installed models: the model that it may replace."""

from __future__ import annotations

from pathlib import Path

from triton_embed.contract.options import InputType
from triton_embed.contract.pipeline import Pipeline
from triton_embed.contract.pipelines import TEXT
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.scanner import scan


def find_replaced(
    repository: Path, spec: ModelSpec, pipeline: Pipeline = TEXT
) -> InstalledModel | None:
    """Return the installed model that the export of a model replaces, if there is one.

    Its id may differ in case, and it may have Triton models that the new one does not have.

    Args:
        repository: The model repository; it does not have to exist.
        spec: The model to export.
        pipeline: The kind of model to export.

    Raises:
        RepositoryError: the export would replace another model, or a part of one, or requests for
            one of the two models could mean the other.
    """
    model_id = spec.model_id
    names = pipeline.triton_models(model_id)
    replaced = None
    for model in scan(repository, missing_ok=True):
        _check_unambiguous(model, spec)
        if model.is_managed and model.display_name.lower() == model_id.lower():
            replaced = model
        elif taken := sorted(names.keys() & set(model.folders)):
            _check_replaceable(model, model_id, taken[0])
    return replaced


def _check_replaceable(model: InstalledModel, model_id: str, name: str) -> None:
    """Raise RepositoryError unless `model`, which has Triton's name `name`, holds no file."""
    if not model.files:
        return
    message = f"'{model_id}' would replace '{model.display_name}' in {model.repository}"
    if model.is_managed:
        raise RepositoryError(
            f"{message}: both need the name '{name}' for Triton; choose another --model-id"
        )
    raise RepositoryError(
        f"{message}, which was not made by 'triton-embed export'; choose another --model-id, or "
        "remove it yourself"
    )


def _check_unambiguous(model: InstalledModel, spec: ModelSpec) -> None:
    """Raise RepositoryError if an id is that of an asymmetric model with a suffix."""
    if model.spec is None:
        return
    for asymmetric, other in ((spec, model.spec), (model.spec, spec)):
        suffixed = {f"{asymmetric.model_id}-{side.value}".lower() for side in InputType}
        if asymmetric.is_input_type_required and other.model_id.lower() in suffixed:
            side = other.model_id.rpartition("-")[2].lower()
            raise RepositoryError(
                f"'{spec.model_id}' cannot be installed together with '{model.display_name}' in "
                f"{model.repository}: '{asymmetric.model_id}' is asymmetric, and the name "
                f"'{other.model_id}' in a request means its input type '{side}'; choose another "
                f"--model-id, or remove '{model.display_name}' first"
            )
