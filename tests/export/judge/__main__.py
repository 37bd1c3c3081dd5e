"""Records the judge's token ids and vectors: ``python -m tests.export.judge``.

The judge is the stack with which today's checkpoints were trained and published, in an
environment of its own, so that no reference of a test is the code under test. The tests compare
with the recorded files only; review a difference like code.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from testing.formula_weights import MAX_TOKENS
from testing.paths import ROOT
from testing.tokenizer_layouts import LAYOUTS, TEXTS
from tests.clients.catalog import Client
from tests.clients.environments import prepare, run

HERE = Path(__file__).parent

JUDGE = Client(
    "judge",
    "sentence-transformers==5.1.2 transformers==4.57.6 tokenizers==0.22.2 sentencepiece==0.2.3 "
    "torch==2.13.0",
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.export.judge", description="Record the judge's ids and vectors."
    )
    parser.add_argument(
        "--python", type=Path, help="Python with the judge's packages (default: a new environment)"
    )
    parser.add_argument(
        "--environments",
        type=Path,
        default=ROOT / ".venv-clients",
        help="folder of the virtual environment (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Make the checkpoints, run the judge on them, and write one file for each layout."""
    options = parse()
    python = options.python or prepare(JUDGE, options.environments / JUDGE.name)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for layout, files in LAYOUTS.items():
            files.write(folder / layout)
        folders = {layout: str(folder / layout) for layout in LAYOUTS}
        request = {"texts": TEXTS, "max_tokens": MAX_TOKENS, "folders": folders}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        result = folder / "result.json"
        run([str(python), str(HERE / "record.py"), str(folder / "request.json"), str(result)])
        recorded = json.loads(result.read_text(encoding="utf-8"))
    for layout, content in recorded["layouts"].items():
        text = json.dumps({"versions": recorded["versions"], **content}, separators=(",", ":"))
        # One text a line.
        (HERE / "golden" / f"{layout}.json").write_text(
            text.replace("],[", "],\n[") + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
