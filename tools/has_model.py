"""Exit with status 0 if a model repository has a model that can be served without an export.

Usage: has_model.py REPOSITORY MODEL_ID
"""

from __future__ import annotations

import sys
from pathlib import Path

from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.scanner import find


def has_model(repository: Path, model_id: str) -> bool:
    """Return whether `repository` has the model, complete and of this version."""
    try:
        return not find(repository, model_id).problem
    except RepositoryError:
        return False


if __name__ == "__main__":
    sys.exit(not has_model(Path(sys.argv[1]), sys.argv[2]))
