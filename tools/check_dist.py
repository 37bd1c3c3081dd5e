"""Check the wheel and the source distribution in a folder.

Usage: check_dist.py FOLDER [VERSION]

The wheel is built from the source distribution. It must contain every module of the checkout, every
file of the gateway's page and the license, and nothing outside its package. Both must have the
version of `triton_embed`, and VERSION if it is given, such as the one of a tag.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def source_version() -> str:
    """Return ``__version__``, the only place that states the version."""
    text = (ROOT / "triton_embed" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    assert found, "triton_embed/__init__.py has no __version__"
    return found[1]


def package_files() -> set[str]:
    """Return the paths of the package's modules and data, through its links to folders."""
    found = set((ROOT / "triton_embed").glob("*.py"))
    for link in (ROOT / "triton_embed").iterdir():
        if link.is_symlink():
            found |= {
                link / path.relative_to(link.resolve()) for path in link.resolve().rglob("*.py")
            }
    found |= set((ROOT / "triton_embed" / "gateway" / "page").iterdir())
    return {path.relative_to(ROOT).as_posix() for path in found}


def problems(folder: Path, version: str) -> list[str]:
    """Return the defects of the distributions of `version` in `folder`."""
    wheel = folder / f"triton_embed-{version}-py3-none-any.whl"
    source = folder / f"triton_embed-{version}.tar.gz"
    present = {path.name for path in folder.iterdir()}
    if present != {wheel.name, source.name}:
        return [f"'{folder}' has {sorted(present)}, not {[wheel.name, source.name]}"]
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    with tarfile.open(source) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    information = f"triton_embed-{version}.dist-info"
    found = [f"the wheel lacks {name}" for name in sorted(package_files() - packed)]
    found += [f"the sources lack {name}" for name in sorted(package_files() - sources)]
    if f"{information}/licenses/LICENSE" not in packed:
        found.append("the wheel lacks the license")
    strange = {name.partition("/")[0] for name in packed} - {"triton_embed", information}
    return found + [f"the wheel installs {name}" for name in sorted(strange)]


def main(folder: Path, tag: str | None) -> None:
    """Print the problems, and exit with status 1 if there are any."""
    version = source_version()
    found = problems(folder, version)
    if tag and tag.removeprefix("v") != version:
        found.append(f"the tag is {tag}, but triton_embed/__init__.py has version {version}")
    for problem in found:
        print(f"dist: {problem}", file=sys.stderr)
    if found:
        raise SystemExit(1)
    print(f"triton-embed {version}: wheel and sources are complete")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
