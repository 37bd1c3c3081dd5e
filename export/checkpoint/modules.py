"""``modules.json``: the stages of a sentence-transformers model, in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.settings import Settings, shown
from triton_embed.export.errors import ExportError

CLIP = "CLIPModel"
"""The class of a transformer that pools and projects itself."""

SUPPORTED = ("Transformer", CLIP, "Pooling", "Dense", "LayerNorm", "Normalize", "Dropout")
"""Module classes of sentence-transformers that an export can mirror."""


@dataclass(frozen=True)
class Module:
    """One entry of ``modules.json``.

    Attributes:
        kind: One of `SUPPORTED`.
        path: The subfolder with its files; empty for the root.
    """

    kind: str
    path: str


def read_modules(folder: Path) -> list[Module]:
    """Return the modules of the checkpoint in `folder`; none if it has no ``modules.json``.

    Raises:
        ExportError: the file is malformed, or names an unsupported class or an outside path.
    """
    modules: list[Module] = []
    for entry in read_json(folder / "modules.json", default=[]):
        if not isinstance(entry, dict):
            raise ExportError(f"modules.json: an entry is {shown(entry)}, but must be an object")
        settings = Settings("modules.json", entry)
        name, path = settings.text("type"), PurePosixPath(settings.text("path") or "")
        package, _, kind = (name or "").rpartition(".")
        if kind not in SUPPORTED or package.split(".")[0] != "sentence_transformers":
            raise ExportError(
                f"modules.json names '{name}'; supported are {', '.join(SUPPORTED)} of "
                "sentence-transformers"
            )
        if path.is_absolute() or ".." in path.parts or "\0" in str(path):
            raise ExportError(f"modules.json names '{path}', which is outside the checkpoint")
        modules.append(Module(kind, "" if path == PurePosixPath() else str(path)))
    if modules and modules[0].kind not in ("Transformer", CLIP):
        raise ExportError("modules.json does not begin with a Transformer")
    return modules
