"""Model repositories that tests change."""

from __future__ import annotations

import shutil
from pathlib import Path


def copy_model(repository: Path, name: str) -> None:
    """Add a copy of the model `tiny`."""
    for folder in list(repository.glob("tiny*")):
        copy = shutil.copytree(folder, repository / folder.name.replace("tiny", name, 1))
        text = (copy / "config.pbtxt").read_text()
        (copy / "config.pbtxt").write_text(text.replace('"tiny', f'"{name}'))
