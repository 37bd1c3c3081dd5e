"""Runs the examples of `examples/engines/` in an environment of their own: ``make test-engines``.

Their NumPy and pandas differ from the server's. Spark needs a Java runtime.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from testing.embedding_api import EmbeddingApi
from testing.paths import ROOT
from tests.clients.catalog import Client
from tests.clients.environments import prepare

ENGINES = Client(
    "engines",
    "ray[data]==2.60.0 pyspark==4.3.0 dask[dataframe]==2026.8.0 daft==0.7.26 faiss-cpu==1.15.1 "
    "pandas==2.3.3 pyarrow==25.0.1 httpx==0.28.1 click==8.5.1",
)
"""The engines; the client needs httpx and NumPy, and the command ``embed`` PyArrow and click."""

HERE = Path(__file__).parent


def main(folder: Path) -> int:
    """Test all engines, and return the exit status of pytest.

    Args:
        folder: Folder of the environment.
    """
    python = prepare(ENGINES, folder)
    api = EmbeddingApi()
    with api.listening() as url:
        environment = {
            **os.environ,
            "ENGINES_URL": url,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'examples' / 'engines'}",
            "PYSPARK_PYTHON": str(python),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        command = [
            *(str(python), "-m", "pytest", str(HERE / "checks.py"), "-v"),
            # Without the settings and fixtures of our own tests.
            *("--config-file", os.devnull, "--rootdir", str(HERE), "--confcutdir", str(HERE)),
            *("--import-mode", "importlib", "-p", "no:cacheprovider"),
        ]
        return subprocess.run(command, env=environment, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / ".venv-clients" / "engines"))
