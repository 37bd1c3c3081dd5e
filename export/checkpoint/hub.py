"""Fetches from the Hugging Face hub the files that an export needs, and no others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from huggingface_hub import constants, get_cached_repo_tree, snapshot_download
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from triton_embed.export.checkpoint.reader import TRANSFORMER_SETTINGS, modules
from triton_embed.export.errors import ExportError
from triton_embed.repository.files import sizes

SETTINGS = (
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    *TRANSFORMER_SETTINGS,
)
"""Small files that say what kind of model it is."""

TEXT_SUFFIXES = (".json", ".txt", ".model", ".jinja")
"""Of settings and tokenizers, in all their forms."""


def settings(hub_id: str, revision: str | None) -> tuple[Path, dict[str, int]]:
    """Download the settings of a repository.

    Everything follows ``huggingface_hub``: its cache, ``HF_TOKEN``, ``HF_HUB_OFFLINE``,
    ``HF_ENDPOINT``. Where the hub cannot be reached the cache answers.

    Args:
        hub_id: ``owner/name``.
        revision: A branch, tag or commit; ``None``: the main branch.

    Returns:
        The snapshot's folder, which is named after the commit, and the bytes of each file that
        the repository has, downloaded or not.

    Raises:
        ExportError: the repository cannot be had; the message says why.
    """
    with _explained(hub_id, revision), disable_progress_bars():
        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(SETTINGS)))
        inner = [f"{path}/{name}" for _, path in modules(folder) if path for name in SETTINGS]
        if inner:
            snapshot_download(hub_id, revision=folder.name, allow_patterns=inner)
        try:
            tree = get_cached_repo_tree(hub_id, revision=folder.name)
        except CachedRepoTreeNotFoundError:
            # The snapshot was cached by an older library, and the hub is out of reach.
            return folder, sizes(folder)
    return folder, {file.path: file.size for file in tree}


def weights(folder: str, files: Mapping[str, int]) -> list[str]:
    """Return which of `files` are the weights that transformers would load from `folder`.

    Repositories often hold the same weights in several formats and precisions.
    """
    here = {str(PurePosixPath(folder, name)): name for name in _names(folder, files)}
    single = [path for path, name in here.items() if name == "model.safetensors"]
    shards = [
        path
        for path, name in here.items()
        if name.startswith("model-") and name.endswith(".safetensors")
    ]
    return single or shards or [path for path in here if path.endswith(".safetensors")]


def download(hub_id: str, commit: str, folders: Sequence[str], files: Mapping[str, int]) -> None:
    """Download weights and tokenizer from `folders` of a repository, showing the progress.

    What an interrupted download has left in the cache is taken up again.

    Raises:
        ExportError: a file cannot be had, or is not as long as it should be.
    """
    wanted = [path for folder in folders for path in weights(folder, files)]
    for folder in folders:
        wanted += [
            str(PurePosixPath(folder, name))
            for name in _names(folder, files)
            if name.endswith(TEXT_SUFFIXES)
        ]
    with _explained(hub_id, commit):
        snapshot_download(hub_id, revision=commit, allow_patterns=wanted)


def _names(folder: str, files: Mapping[str, int]) -> list[str]:
    paths = map(PurePosixPath, files)
    return [path.name for path in paths if path.parent == PurePosixPath(folder)]


@contextmanager
def _explained(hub_id: str, revision: str | None) -> Iterator[None]:
    """Turn whatever the client of the hub raises into one line."""
    try:
        yield
    except ExportError:
        raise
    except GatedRepoError as error:
        raise ExportError(
            f"'{hub_id}' is gated: accept its terms at {constants.ENDPOINT}/{hub_id} and set "
            "HF_TOKEN to a token of your account"
        ) from error
    except RevisionNotFoundError as error:
        raise ExportError(f"'{hub_id}' has no revision '{revision}'") from error
    except RepositoryNotFoundError as error:
        token = "HF_TOKEN has no access to it" if os.environ.get("HF_TOKEN") else "set HF_TOKEN"
        raise ExportError(
            f"there is no folder '{hub_id}', and the hub has no such repository (if it is "
            f"private: {token})"
        ) from error
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"there is no folder '{hub_id}', and it could not be had from the hub: {lines[0]}"
        ) from error
