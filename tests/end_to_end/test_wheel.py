"""The wheel is complete: it exports and serves from an empty folder, without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from testing.paths import ROOT
from testing.server import RunningServer

SOURCES = ("LICENSE", "README.md", "benchmarks", "pyproject.toml", "testing", "triton_embed")
"""Parts of the checkout from which the wheel is built, in addition to the linked folders."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is unpacked. Its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    linked = [
        path.resolve().name for path in (ROOT / "triton_embed").iterdir() if path.is_symlink()
    ]
    for name in (*SOURCES, *linked):
        source, target = ROOT / name, folder / "checkout" / name
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(folder / "checkout")], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


def test_wheel_contains_one_package_and_its_license(installed: Path) -> None:
    (information,) = installed.glob("*.dist-info")
    assert {path.name for path in installed.iterdir()} == {"triton_embed", information.name}
    assert (information / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (installed / "triton_embed" / "py.typed").exists()


def test_wheel_exports_and_serves_a_checkpoint_from_an_empty_folder(
    installed: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH", "")]))
    environment = {"PYTHONPATH": path}
    program = (
        sys.executable,
        "-m",
        "triton_embed",
        "serve",
        str(tiny_folder),
        "--model-id",
        "mine",
    )
    locate = [sys.executable, "-c", "import triton_embed; print(triton_embed.__file__)"]
    located = subprocess.check_output(locate, cwd=tmp_path, env={**os.environ, **environment})
    assert Path(os.fsdecode(located)).is_relative_to(installed), "the checkout would be tested"
    repository = tmp_path / "model_repository"
    with RunningServer(
        repository, program=program, folder=tmp_path, environment=environment
    ) as server:
        assert server.logged(f"serving mine from {repository}")
        assert server.vectors("mine", ["a", "b"]).shape == (2, 32)
        assert "Apache License" in server.get("/v1/license").json()["content"]
        assert server.get("/").status_code == server.get("/page/app.js").status_code == 200
        assert server.get("/v1/metadata").json()["modelInfo"][0]["shortName"].startswith("mine:")
    assert [path.name for path in tmp_path.iterdir()] == ["model_repository"]
