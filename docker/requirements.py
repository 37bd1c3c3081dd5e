"""Print the requirements of extras of pyproject.toml.

They are installed before our own code, so that they stay in Docker's cache when only the code
changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tomllib

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = [project["optional-dependencies"][name] for name in sys.argv[1:]]
requirements = [requirement for extra in extras for requirement in extra]
print(*project["dependencies"], *requirements, sep="\n")
