"""The models of a repository that Triton may load."""

from __future__ import annotations

from pathlib import Path

from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.scanner import scan
from triton_embed.serve.errors import ServeError


def loadable_models(repository: Path) -> dict[str, InstalledModel]:
    """Return the models in the folder `repository`, by name; none if there is no such folder.

    Folders without a configuration, or with a name that no request can contain, are not models. A
    user's own model with an unreadable configuration is: Triton's error describes the problem.

    Raises:
        ServeError: the folder cannot be read.
    """
    try:
        models = scan(repository, missing_ok=True)
    except RepositoryError as error:
        raise ServeError(str(error)) from None
    return {model.name: model for model in models if model.has_config and model.name.isprintable()}
