"""Where a checkpoint comes from: a folder, or a repository of the hub and its copy in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from triton_embed.export.checkpoint import hub
from triton_embed.export.checkpoint.reader import Checkpoint
from triton_embed.export.errors import ExportError
from triton_embed.repository.files import sizes

BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
"""Of one weight, by ``dtype`` of a ``config.json``."""


@dataclass(frozen=True)
class Source:
    """A checkpoint's files, of which the weights may not have been downloaded yet.

    Attributes:
        name: The hub id, or the absolute path of the folder.
        revision: The commit on the hub; ``None`` for a folder.
        folder: Where the files lie.
        files: Bytes of each file, by its path relative to `folder`.
    """

    name: str
    revision: str | None
    folder: Path
    files: Mapping[str, int]

    def download(self, checkpoint: Checkpoint) -> None:
        """Fetch the weights and the tokenizer of `checkpoint`, if it comes from the hub.

        Raises:
            ExportError: they cannot be had.
        """
        if self.revision:
            folders = [_relative(folder, self.folder) for folder in checkpoint.folders]
            hub.download(self.name, self.revision, folders, self.files)

    def parameters(self, checkpoint: Checkpoint) -> int:
        """Return about how many weights `checkpoint` has, judged by the size of its files."""
        dtype = checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype")
        folders = [_relative(folder, self.folder) for folder in checkpoint.folders]
        paths = [path for folder in folders for path in hub.weights(folder, self.files)]
        return sum(self.files[path] for path in paths) // BYTES.get(str(dtype), 4)


def locate(checkpoint: str, revision: str | None = None) -> Source:
    """Return the source of `checkpoint`; of a hub id only the settings are downloaded.

    Raises:
        ExportError: there is no such folder and no such repository on the hub.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        if revision:
            raise ExportError(f"--revision is for the hub, but '{checkpoint}' is a folder")
        folder = folder.resolve()
        return Source(str(folder), None, folder, sizes(folder))
    if folder.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") != 1:
        raise ExportError(f"there is no folder '{checkpoint}', and it is not a hub id (owner/name)")
    folder, files = hub.settings(checkpoint, revision)
    return Source(checkpoint, folder.name, folder, files)


def _relative(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix()
