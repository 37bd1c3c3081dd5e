"""Conflicts of an export with the installed models: the model that it may replace."""

from __future__ import annotations

from pathlib import Path

from triton_embed.contract.pipeline import Pipeline
from triton_embed.contract.pipelines import TEXT
from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.scanner import scan


def find_replaced(
    repository: Path, model_id: str, pipeline: Pipeline = TEXT
) -> InstalledModel | None:
    """Return the installed model that an export of `model_id` replaces, if there is one.

    Its id may differ in case, and it may have Triton models that the new one does not have.

    Args:
        repository: The model repository; it does not have to exist.
        model_id: Public id of the model to export.
        pipeline: The kind of model to export.

    Raises:
        RepositoryError: the export would replace another model, or a part of one.
    """
    names = pipeline.triton_models(model_id)
    replaced = None
    for model in scan(repository, missing_ok=True):
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
