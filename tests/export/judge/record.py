"""Records the judge's token ids and vectors; runs in the judge's environment, without this package.

``python record.py REQUEST RESULT``: the request is a JSON file with ``texts``, ``max_tokens`` and
``folders``, the result gets the versions of the libraries and, for each folder, ids and vectors.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

LIBRARIES = ("sentence-transformers", "transformers", "tokenizers", "torch")


def recording(folder: str, texts: list[str], max_tokens: int) -> dict[str, Any]:
    """Return the class of the tokenizer, ids cut at the end and at the start, and vectors."""
    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    tokenizer: Any = model.tokenizer
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model[0].do_lower_case:
        # sentence-transformers does so before it calls the tokenizer.
        texts = [text.lower() for text in texts]
    vectors = model.encode(texts, batch_size=1, convert_to_numpy=True)
    ids = {}
    for name, side in (("END", "right"), ("START", "left")):
        tokenizer.truncation_side = side
        ids[name] = [
            tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"] for text in texts
        ]
    return {
        "class": type(tokenizer).__name__,
        "ids": ids,
        "vectors": [[round(float(value), 6) for value in vector] for vector in vectors],
    }


def main() -> None:
    """Read the request, and write the result."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    layouts = {}
    for name, folder in request["folders"].items():
        try:
            layouts[name] = recording(folder, request["texts"], request["max_tokens"])
        except Exception as error:
            raise SystemExit(f"{name}: {type(error).__name__}: {error}") from error
    result = {"versions": {name: version(name) for name in LIBRARIES}, "layouts": layouts}
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")


main()
