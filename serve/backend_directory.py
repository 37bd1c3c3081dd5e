"""The folder that is passed to Triton as ``--backend-directory``."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from triton_embed.serve.installation import Installation


def assemble(installation: Installation, folder: Path) -> None:
    """Fill `folder` with the backends of `installation`.

    The Python backend's files are copied: Triton rejects a library that is reached through a link
    in its backend's folder.
    """
    for name, source in installation.backends.items():
        (folder / name).symlink_to(source)
    if installation.python_files:
        python = folder / "python"
        python.mkdir()
        for file in installation.python_files:
            shutil.copy(file, python)


def shell_safe_path(repository: Path, folder: Path) -> Path:
    """Return a path of `repository` without characters that a shell interprets.

    The wheel's Triton (2.51) starts its Python steps with a shell command that it does not quote.

    Args:
        repository: The model repository.
        folder: The backend directory, which holds a link to `repository` if one is needed.
    """
    if shlex.quote(str(repository)) == str(repository):
        return repository
    link = folder / "model_repository"
    link.symlink_to(repository)
    return link
