"""The Triton server that is installed on this machine.

It is the ``tritonserver`` on the PATH with the backends next to it, as in NVIDIA's container image;
otherwise the server in the ``nvidia-pytriton`` wheel, which has only the Python backend.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import triton_embed
from triton_embed.serve.errors import ServeError

ROOT = Path(triton_embed.__file__).parent.parent
"""Folder that contains the package ``triton_embed``: the checkout or site-packages."""

NGC_BACKENDS = Path("/opt/tritonserver/backends")
"""Backends of NVIDIA's container image, if there are none next to the binary."""


MIN_TRITON = (2, 53)
"""Minimum version of a Triton with the C++ backend for ONNX Runtime: that of NVIDIA's image 24.12,
the first with ONNX Runtime 1.20. In 1.19, the bias of ``MultiHeadAttention`` is wrong for the later
texts of a batch, which changes the vectors of MPNet and T5."""


@dataclass(frozen=True)
class Installation:
    """A Triton server that can be started.

    Attributes:
        binary: The ``tritonserver`` executable.
        backends: Folders to link into Triton's backend directory, by backend name.
        python_files: Files to copy into the folder ``python`` of that directory, if the server's
            Python backend is not in one folder.
        libraries: Folders to add to the dynamic linker's path.
        bundled: Whether the server is the one in the wheel.
    """

    binary: Path
    backends: Mapping[str, Path]
    python_files: tuple[Path, ...]
    libraries: tuple[Path, ...]
    bundled: bool

    @property
    def has_onnxruntime(self) -> bool:
        """True if the server has Triton's C++ backend for ONNX Runtime, not only our stand-in."""
        folder = self.backends.get("onnxruntime")
        return folder is not None and (folder / "libtriton_onnxruntime.so").exists()

    def check_version(self, version: str) -> None:
        """Raise ServeError if the ONNX Runtime of this server is too old.

        Args:
            version: The version that the running server reports, such as ``2.53.0``.
        """
        if self.has_onnxruntime and tuple(map(int, version.split(".")[:2])) < MIN_TRITON:
            needed = ".".join(map(str, MIN_TRITON))
            raise ServeError(
                f"Triton {version} ('{self.binary}') has an ONNX Runtime that computes wrong "
                f"vectors for some models; use Triton {needed} (NVIDIA's image 24.12) or newer"
            )


def find() -> Installation:
    """Return the Triton server of this machine.

    Raises:
        ServeError: There is none.
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
    # Our `onnxruntime` is for servers without Triton's C++ backend of that name.
    theirs = {entry.name: entry for entry in folder.iterdir() if entry.is_dir()}
    return Installation(binary, {**ours, **theirs}, (), (), bundled=False)


def _in_wheel(ours: dict[str, Path]) -> Installation:
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise ServeError(
            "no Triton server found: there is no 'tritonserver' on the PATH, and the wheel is "
            "not installed; run with Python 3.12 or older: pip install 'triton-embed[serve]'"
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
