"""Downloads the files that an export needs from the Hugging Face hub, and no others."""

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

from triton_embed.export.checkpoint.container import missing_folder
from triton_embed.export.checkpoint.files import SETTINGS, file_sizes, names_in
from triton_embed.export.checkpoint.modules import read_modules
from triton_embed.export.errors import ExportError

TEXT_SUFFIXES = (".json", ".txt", ".model", ".jinja")
"""Suffixes of settings and of tokenizers in all their formats."""


def download_settings(hub_id: str, revision: str | None) -> tuple[Path, dict[str, int]]:
    """Download the settings of a repository.

    ``huggingface_hub`` decides everything else: its cache, ``HF_TOKEN``, ``HF_HUB_OFFLINE``,
    ``HF_ENDPOINT``. If the hub cannot be reached, the cache is used.

    Args:
        hub_id: ``owner/name``.
        revision: A branch, tag or commit; ``None``: the main branch.

    Returns:
        The snapshot's folder, which is named after the commit, and the bytes of each file of the
        repository, downloaded or not.

    Raises:
        ExportError: the repository is not available; the message gives the reason.
    """
    with _explained(hub_id, revision), disable_progress_bars():
        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(SETTINGS)))
        nested = [
            f"{module.path}/{name}"
            for module in read_modules(folder)
            if module.path
            for name in SETTINGS
        ]
        if nested:
            snapshot_download(hub_id, revision=folder.name, allow_patterns=nested)
        try:
            tree = get_cached_repo_tree(hub_id, revision=folder.name)
        except CachedRepoTreeNotFoundError:
            # An older huggingface_hub cached the snapshot, and the hub cannot be reached.
            return folder, file_sizes(folder)
    return folder, {file.path: file.size for file in tree}


def weight_files(folder: str, files: Mapping[str, int]) -> list[str]:
    """Return the paths of the weights that transformers would load from `folder`.

    Repositories often hold the same weights in several formats and precisions.
    """
    names = [name for name in sorted(names_in(folder, files)) if name.endswith(".safetensors")]
    single = [name for name in names if name == "model.safetensors"]
    shards = [name for name in names if name.startswith("model-")]
    return [str(PurePosixPath(folder, name)) for name in single or shards or names]


def download(hub_id: str, commit: str, folders: Sequence[str], files: Mapping[str, int]) -> None:
    """Download weights and tokenizer with a progress bar, resuming an interrupted download.

    Args:
        hub_id: ``owner/name``.
        commit: The commit to download.
        folders: Folders of the repository that hold weights.
        files: Bytes of each file of the repository.

    Raises:
        ExportError: a file cannot be downloaded, or is truncated.
    """
    wanted = [path for folder in folders for path in weight_files(folder, files)]
    for folder in folders:
        wanted += [
            str(PurePosixPath(folder, name))
            for name in names_in(folder, files)
            if name.endswith(TEXT_SUFFIXES)
        ]
    with _explained(hub_id, commit):
        snapshot_download(hub_id, revision=commit, allow_patterns=wanted)


@contextmanager
def _explained(hub_id: str, revision: str | None) -> Iterator[None]:
    """Convert every exception of the hub's client into an ExportError of one line."""
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
            f"{missing_folder(hub_id)}, and the hub has no such repository (if it is "
            f"private: {token})"
        ) from error
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"{missing_folder(hub_id)}, and downloading it from the hub failed: {lines[0]}"
        ) from error
