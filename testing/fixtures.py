"""Fixtures that need PyTorch or Triton: models with weights, and the running service.

A pytest plugin. Everything that imports PyTorch is imported inside the fixtures, so that a run
without them (``--fast``, see `testing.fast`) never loads it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testing.minilm import MINILM, minilm_checkpoint

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from testing.family_repository import Families
    from testing.layout_repository import Layouts
    from testing.server import RunningServer


@pytest.fixture(scope="session")
def reference() -> SentenceTransformer:
    """MiniLM in sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(minilm_checkpoint()), device="cpu", local_files_only=True)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights and MiniLM's tokenizer, without prompts."""
    from testing.checkpoints import tiny_checkpoint

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    return tiny_checkpoint(folder, minilm_checkpoint())


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A model repository with the model `tiny`; not to be changed, see `own_tiny_repository`."""
    from triton_embed.export.exporter import export
    from triton_embed.export.request import ExportRequest

    repository = tmp_path_factory.mktemp("tiny") / "repository"
    export(ExportRequest(str(tiny_folder), repository, model_id="tiny"))
    return repository


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Families:
    """Small models of every family, exported on demand, once for all workers of a run."""
    from testing.family_repository import Families

    return Families(_shared(tmp_path_factory) / "families")


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Layouts:
    """Small models of every tokenizer layout, exported on demand, once for all workers of a run."""
    from testing.layout_repository import Layouts

    return Layouts(_shared(tmp_path_factory) / "layouts")


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder that all workers of a run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The whole service with MiniLM's real weights."""
    from testing.server import PATIENT, RunningServer
    from triton_embed.export.exporter import export
    from triton_embed.export.request import ExportRequest

    repository = tmp_path_factory.mktemp("service") / "repository"
    export(ExportRequest(str(minilm_checkpoint()), repository, model_id=MINILM))
    with RunningServer(repository, environment=PATIENT) as running:
        yield running
