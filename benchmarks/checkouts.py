"""Checkouts of this project, this one or one of another commit, whose commands are measured."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testing.paths import ROOT
from triton_embed.contract.naming import triton_model_name


@dataclass(frozen=True)
class Checkout:
    """A checkout with an environment, and the arguments of its commands.

    Attributes:
        folder: Its root; commands run there, so that they import its code.
        python: The interpreter of its environment.
        exporting: Arguments of Python that export a model.
        serving: Arguments of Python that run the service.
        gateway: Text in the command line of its gateway's process.
    """

    folder: Path
    python: Path
    exporting: tuple[str, ...]
    serving: tuple[str, ...]
    gateway: str

    def export(self, checkpoint: Path, repository: Path, model_id: str, *flags: str) -> str:
        """Export as a user would, and return the model's name in Triton."""
        subprocess.run(
            [
                *(str(self.python), *self.exporting, str(checkpoint)),
                *("--model-repository", str(repository), "--model-id", model_id),
                *flags,
            ],
            cwd=self.folder,
            check=True,
            stdout=sys.stderr,
        )
        return triton_model_name(model_id)


THIS = Checkout(
    ROOT,
    Path(sys.executable),
    exporting=("-m", "triton_embed", "export"),
    serving=("-m", "triton_embed", "serve"),
    gateway="-m triton_embed gateway",
)
"""The checkout that runs the benchmark."""


def other_checkout(folder: Path) -> Checkout:
    """Return the checkout in `folder`.

    Its commands are those of this checkout or of an earlier layout: before `triton_embed.cli`, each
    package was a program; until commit 92e22db, packages were at the top level.

    Raises:
        SystemExit: The folder has no environment in ``.venv``.
    """
    folder = folder.resolve()
    # Not resolved: the interpreter finds its environment through its own path.
    python = folder / ".venv" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{folder} has no .venv: run 'make lint' there first")
    if (folder / "triton_embed" / "cli.py").exists():
        return Checkout(folder, python, THIS.exporting, THIS.serving, THIS.gateway)
    prefix = "triton_embed." if (folder / "triton_embed").is_dir() else ""
    return Checkout(
        folder,
        python,
        exporting=("-m", f"{prefix}export"),
        serving=("-m", f"{prefix}serve"),
        gateway=f"-m {prefix}gateway",
    )
