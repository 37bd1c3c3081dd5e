"""The manifest of an output folder: everything that its vectors depend on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from triton_embed.corpus.inputs import InputFile
from triton_embed.corpus.job import EmbedRequest

VERSION = 1
"""Version of the manifest and of the folder's layout; a folder of another version is rejected."""

Manifest = dict[str, Any]
"""A manifest, as in its JSON file."""


def build(
    request: EmbedRequest, files: Sequence[InputFile], model_version: str, width: int
) -> Manifest:
    """Return the manifest of a run; equal for all shards of it.

    Args:
        request: The run.
        files: The input files, which are read to hash them.
        model_version: Changes whenever the vectors of the model may change; empty if the server
            does not state it.
        width: Length of the vectors.
    """
    options, columns = request.options, request.columns
    return {
        "version": VERSION,
        "model": options.model,
        "model_version": model_version,
        "width": width,
        "input_type": options.input_type,
        "truncate": options.truncate,
        "dimensions": options.dimensions,
        "embedding_type": options.embedding_type or "float",
        "text_column": columns.text,
        "id_column": columns.id,
        "image_column": columns.image,
        "keep": list(columns.keep),
        "embedding_column": columns.embedding,
        "format": request.format,
        "on_error": request.on_error,
        "part_rows": request.part_rows,
        "inputs": [
            {"name": file.name, "size": file.size, "sha256": file.digest()} for file in files
        ],
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the differences between the manifest of a folder and that of a run, as phrases."""
    found = [
        f"{key} was {json.dumps(before.get(key))} and is {json.dumps(now[key])}"
        for key in now
        if key != "inputs" and before.get(key) != now[key]
    ]
    return [*found, *_input_differences(before.get("inputs", []), now["inputs"])]


def _input_differences(
    before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    earlier = {each["name"]: each for each in before}
    later = {each["name"]: each for each in now}
    for name in earlier.keys() - later.keys():
        yield f"the input '{name}' is missing"
    for name in later.keys() - earlier.keys():
        yield f"the input '{name}' is new"
    for name in earlier.keys() & later.keys():
        if earlier[name] != later[name]:
            yield f"the content of '{name}' has changed"
    if earlier.keys() == later.keys() and list(earlier) != list(later):
        yield "the order of the inputs has changed"
