"""tools/has_model.py decides whether ``make serve`` needs an export, and with it PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testing.paths import ROOT
from triton_embed.repository import config, layout


def has_model(repository: Path, model_id: str) -> bool:
    command = [sys.executable, "tools/has_model.py", str(repository), model_id]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    return done.returncode == 0


def test_installed_model_needs_no_export(stub_repository: Path) -> None:
    assert has_model(stub_repository, "tiny")


def test_missing_model_needs_an_export(stub_repository: Path, tmp_path: Path) -> None:
    assert not has_model(stub_repository, "other")
    assert not has_model(tmp_path / "missing", "tiny")


def test_model_of_another_version_needs_an_export(stub_repository: Path) -> None:
    for path in stub_repository.glob(f"*/{layout.CONFIG_FILE}"):
        changed = config.read(path.parent)
        changed.parameters["spec_version"].string_value = "0"
        config.write(path.parent, changed)
    assert not has_model(stub_repository, "tiny")
