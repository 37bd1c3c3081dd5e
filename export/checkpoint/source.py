"""The origin of a checkpoint: a folder, or a hub repository and its copy in the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_embed.contract import naming
from triton_embed.export.checkpoint import hub
from triton_embed.export.checkpoint.container import missing_folder
from triton_embed.export.checkpoint.files import file_sizes
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.weights import FORMATS
from triton_embed.export.errors import ExportError

BYTES_PER_WEIGHT = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes of one weight, by ``dtype`` of a ``config.json``."""


@dataclass(frozen=True)
class Source:
    """A checkpoint's files, whose weights may not have been downloaded yet.

    Attributes:
        name: The hub id, or the absolute path of the folder.
        revision: The commit on the hub; ``None`` for a folder.
        folder: The local folder with the files.
        files: Bytes of each file, by its path relative to `folder`.
    """

    name: str
    revision: str | None
    folder: Path
    files: Mapping[str, int]

    def download(self, checkpoint: Checkpoint) -> None:
        """Fetch the weights and the tokenizer of `checkpoint`, if it comes from the hub.

        Raises:
            ExportError: a file cannot be downloaded.
        """
        if self.revision:
            hub.download(self.name, self.revision, self._weight_folders(checkpoint), self.files)

    def count_parameters(self, checkpoint: Checkpoint) -> int:
        """Return the number of weights of `checkpoint`, estimated from the size of its files."""
        dtype = checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype")
        paths = [
            path
            for folder in self._weight_folders(checkpoint)
            for path in hub.weight_files(folder, self.files)
        ]
        return sum(self.files[path] for path in paths) // BYTES_PER_WEIGHT.get(str(dtype), 4)

    def _weight_folders(self, checkpoint: Checkpoint) -> list[str]:
        return [folder.relative_to(self.folder).as_posix() for folder in checkpoint.weight_folders]


def resolve_source(
    checkpoint: str, revision: str | None = None, suggestions: Sequence[str] = ()
) -> Source:
    """Find a checkpoint, and download its settings if it is on the hub.

    Args:
        checkpoint: A folder, a hub id, or a model's URL on the hub.
        revision: A branch, tag or commit on the hub; ``None``: that of the URL, or the main branch.
        suggestions: Hub ids to suggest if there is no such checkpoint.

    Raises:
        ExportError: neither a folder nor a repository of that name is available.
    """
    folder = Path(os.path.expanduser(checkpoint))
    if folder.is_dir():
        if revision:
            raise ExportError(f"--revision is for the hub, but '{checkpoint}' is a folder")
        folder = folder.resolve()
        _check_not_cache(checkpoint, folder)
        return Source(str(folder), None, folder, file_sizes(folder))
    if folder.is_file():
        raise ExportError(_reason_against_file(folder))
    if url := naming.HUB_URL.fullmatch(checkpoint):
        revision = revision or url["revision"] or url["file_revision"]
        checkpoint = url["id"]
    if folder.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") != 1:
        names = " or ".join(f"'{name}'" for name in suggestions)
        raise ExportError(
            f"{missing_folder(checkpoint)}, and it is not a hub id (owner/name)"
            f"{f'; did you mean {names}?' if names else ''}"
        )
    folder, files = hub.download_settings(checkpoint, revision)
    return Source(checkpoint, folder.name, folder, files)


def _check_not_cache(checkpoint: str, folder: Path) -> None:
    """Raise ExportError if `folder` is a repository in the hub's cache, not a snapshot of it."""
    snapshots = folder / "snapshots"
    if snapshots.is_dir() and not (folder / "config.json").exists():
        names = sorted(path.name for path in snapshots.iterdir())
        raise ExportError(
            f"'{checkpoint}' is a repository in the hub's cache: export its id, "
            f"'{naming.hub_id(str(folder)) or 'owner/name'}', or one of its snapshots: "
            f"{', '.join(f'snapshots/{name}' for name in names) or 'there is none'}"
        )


def _reason_against_file(file: Path) -> str:
    """Return the reason why a file is not exported, with the remedy."""
    for suffixes, reason in FORMATS.items():
        if file.suffix in suffixes:
            return f"'{file}' is a file, not a checkpoint's folder; {reason}"
    return f"'{file}' is a file, not a checkpoint's folder: export the folder that it is in"
