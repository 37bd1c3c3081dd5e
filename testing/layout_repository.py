"""Checkpoints of the tokenizer layouts, each exported once a run into one repository."""

from __future__ import annotations

from pathlib import Path

from testing.locks import exclusive
from testing.tokenizer_layouts import LAYOUTS
from triton_embed.cli import main
from triton_embed.contract.naming import triton_model_name


class Layouts:
    """The models of `LAYOUTS`, each made and exported when it is first requested.

    Args:
        folder: Folder of all files; several processes may share it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.repository = folder / "repository"
        self._folder = folder

    def checkpoint(self, name: str) -> Path:
        """Return the checkpoint's folder."""
        folder = self._folder / name
        with exclusive(self._folder / f"{name}.lock"):
            if not folder.exists():
                LAYOUTS[name].write(folder)
        return folder

    def exported(self, name: str) -> Path:
        """Return the model repository, after installing the model `name` in it."""
        checkpoint = self.checkpoint(name)
        with exclusive(self._folder / f"{name}.export.lock"):
            if not (self.repository / triton_model_name(name)).exists():
                command = ["export", str(checkpoint), "--model-repository", str(self.repository)]
                assert main(command) == 0, name
        return self.repository
