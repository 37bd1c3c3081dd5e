"""Comparison of a requested export with the installed model, for ``export --if-needed``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from triton_embed.contract.naming import default_model_id, hub_id
from triton_embed.contract.pipeline import Role
from triton_embed.export.request import ExportRequest
from triton_embed.export.target import TARGETS
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.provenance import Provenance
from triton_embed.repository.scanner import scan

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit on the hub. A branch or a tag may move, so it is not compared."""


def find_installed(request: ExportRequest) -> InstalledModel | None:
    """Return the model that `request` would export again without a visible reason, if there is one.

    It can be served, and comes from the same checkpoint, commit, target and precision. Options of
    the model spec and the tokenizer are not compared: the installed model does not record them all.

    Raises:
        RepositoryError: the repository cannot be read.
    """
    folder = Path(os.path.expanduser(request.checkpoint))
    source = str(folder.resolve()) if folder.is_dir() else request.checkpoint
    model_id = (request.model_id or default_model_id(source)).lower()
    for model in scan(request.model_repository, missing_ok=True):
        if model.is_managed and model.display_name.lower() == model_id and not model.problem:
            provenance = Provenance.read(model.version_folder(Role.ENCODE))
            if provenance and _is_same(provenance, request, source):
                return model
    return None


def _is_same(provenance: Provenance, request: ExportRequest, source: str) -> bool:
    commit = request.revision if COMMIT.fullmatch(request.revision or "") else None
    precision = request.precision or TARGETS[request.target].default_precision
    return (
        _origin(provenance.checkpoint) == _origin(source)
        and commit in (None, provenance.revision)
        and (request.target, precision) == (provenance.target, provenance.precision)
    )


def _origin(source: str) -> str:
    return hub_id(source) or source
