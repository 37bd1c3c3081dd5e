"""Finds a Triton server on this machine and works out how to start it.

Either ``tritonserver`` is on the PATH (NVIDIA's container image), with its own backends beside
it, or the server bundled in the ``nvidia-pytriton`` wheel is used, of which only the binary and
the Python backend are taken.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import triton_embed
from triton_embed.serve.errors import ServeError

ROOT = Path(triton_embed.__file__).parent.parent
"""Folder that the package ``triton_embed`` is in: the checkout or site-packages."""

NGC_BACKENDS = Path("/opt/tritonserver/backends")


@dataclass(frozen=True)
class Installation:
    """A Triton server that can be started.

    Attributes:
        binary: The ``tritonserver`` executable.
        backends: Folders, by backend name, that Triton's backend directory must hold.
        python_files: Files that together make up the folder ``python`` of that directory, for a
            server whose Python backend is not in one folder.
        libraries: Folders to add to the dynamic linker's path.
        bundled: Whether it is the server of the wheel.
    """

    binary: Path
    backends: Mapping[str, Path]
    python_files: tuple[Path, ...]
    libraries: tuple[Path, ...]
    bundled: bool

    def assemble_backends(self, folder: Path) -> None:
        """Fill `folder` so that it can be Triton's ``--backend-directory``.

        The Python backend's files are copied: Triton refuses a library that a link in its
        backend's folder points to.
        """
        for name, source in self.backends.items():
            (folder / name).symlink_to(source)
        if self.python_files:
            python = folder / "python"
            python.mkdir()
            for file in self.python_files:
                shutil.copy(file, python)

    def plain_path(self, repository: Path, folder: Path) -> Path:
        """Return a path of `repository` that Triton can take: a link in `folder` if need be.

        The wheel's Triton starts its Python steps with a line of shell in which it quotes nothing.
        """
        if not self.bundled or shlex.quote(str(repository)) == str(repository):
            return repository
        link = folder / "model_repository"
        link.symlink_to(repository)
        return link

    def environment(self) -> dict[str, str]:
        """Return the environment for Triton and its Python processes.

        They find this interpreter first on the PATH, and with it the packages installed here.
        """
        path = os.environ.get("PATH", os.defpath)
        libraries = [*map(str, self.libraries), os.environ.get("LD_LIBRARY_PATH", "")]
        packages = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        return {
            # The encoder reads all its weights for a single text: less time with large pages.
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            # The wheel's gRPC answers a short request sooner without its newer event engine.
            **({"GRPC_EXPERIMENTS": "-event_engine_listener"} if self.bundled else {}),
            **os.environ,
            "ORT_DISABLE_TELEMETRY": "1",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), path]),
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
            "PYTHONPATH": os.pathsep.join(filter(None, packages)),
        }


def find() -> Installation:
    """Return the Triton server of this machine.

    Raises:
        ServeError: there is none.
    """
    ours = {
        folder.parent.name: folder.parent
        for folder in (ROOT / "triton_embed" / "backends").glob("*/model.py")
    }
    binary = shutil.which("tritonserver")
    if binary:
        return _on_path(Path(binary).resolve(), ours)
    return _in_wheel(ours)


def _on_path(binary: Path, ours: dict[str, Path]) -> Installation:
    folder = binary.parent.parent / "backends"
    folder = folder if folder.is_dir() else NGC_BACKENDS
    # Our `onnxruntime` only stands in where Triton has no C++ library of that name.
    theirs = {entry.name: entry for entry in folder.iterdir() if entry.is_dir()}
    return Installation(binary, {**ours, **theirs}, (), (), bundled=False)


def _in_wheel(ours: dict[str, Path]) -> Installation:
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise ServeError(
            "no Triton server found: there is no 'tritonserver' on the PATH, and the wheel is "
            "not installed; run: pip install nvidia-pytriton"
        )
    package = Path(spec.origin).parent
    server = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise ServeError(f"the Triton wheel has no Python backend for Python {version}")
    python = server / "backends" / "python"
    return Installation(
        binary=server / "bin" / "tritonserver",
        backends=ours,
        python_files=(
            stub,
            python / "libtriton_python.so",
            python / "triton_python_backend_utils.py",
        ),
        libraries=(
            package.parent / "nvidia_pytriton.libs",
            Path(sysconfig.get_config_var("LIBDIR")),
        ),
        bundled=True,
    )
