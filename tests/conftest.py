"""The environment of every test, and fast fixtures; the slow ones are in `testing.fixtures`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

os.environ.update(TRANSFORMERS_VERBOSITY="error", TQDM_DISABLE="1", HF_HUB_OFFLINE="1")
# Each worker of the gateway has its own catalog; with one, a test that has seen a change in a
# response sees it in the next response too.
os.environ["TRITON_EMBED_WORKERS"] = "1"
# Every server of the tests is on this machine, even if the machine has a proxy.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

from testing.minilm import minilm_checkpoint
from testing.stub_repository import write_stub_model

# `make test-page` runs these, in an environment with a browser.
collect_ignore = ["page/checks"]

pytest_plugins = ["testing.fast", "testing.fixtures", "testing.time_limit"]


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The checkpoint of MiniLM."""
    return minilm_checkpoint()


@pytest.fixture
def stub_repository(tmp_path: Path) -> Path:
    """A repository with the model `tiny`, without weights; the test may change it."""
    write_stub_model(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture
def own_tiny_repository(tmp_path: Path, tiny_repository: Path) -> Path:
    """A copy of `tiny_repository` that the test may change."""
    return Path(shutil.copytree(tiny_repository, tmp_path / "repository"))
