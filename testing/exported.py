"""Named checkpoints, each made and exported once a run into one model repository."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from testing import time_limit
from testing.locks import exclusive
from triton_embed.cli import main
from triton_embed.contract.naming import triton_model_name


class ExportedCheckpoints(ABC):
    """Checkpoints that are made and exported when they are first requested.

    Each export has the whole time limit of a test.

    Args:
        folder: Folder of all files; several processes may share it.

    Attributes:
        repository: The model repository.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.repository = folder / "repository"
        self._folder = folder

    @abstractmethod
    def write(self, name: str, folder: Path) -> None:
        """Write the checkpoint `name` into `folder`, which does not exist."""

    def flags(self, name: str) -> Sequence[str]:
        """Return further flags of the export of `name`."""
        return ()

    def checkpoint(self, name: str) -> Path:
        """Return the checkpoint's folder."""
        folder = self._folder / name
        with exclusive(self._folder / f"{name}.lock"):
            if not folder.exists():
                self.write(name, folder)
        return folder

    def exported(self, name: str) -> Path:
        """Return the model repository, after installing the model `name` in it."""
        command = ["export", str(self.checkpoint(name)), *self.flags(name)]
        with exclusive(self._folder / f"{name}.export.lock"):
            if not (self.repository / triton_model_name(name)).exists():
                assert main([*command, "--model-repository", str(self.repository)]) == 0, name
        time_limit.restart()
        return self.repository
