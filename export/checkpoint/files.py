"""The files of a checkpoint: which ones it needs, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.pointers import check_pointer
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.checkpoint.weights import INDEX, check_content, check_weights
from triton_embed.export.errors import ExportError, one_line

TRANSFORMER_SETTINGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Files from which sentence-transformers reads ``max_seq_length``, in its order."""

SETTINGS = (
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "adapter_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
    "chat_template.json",
    *TRANSFORMER_SETTINGS,
)
"""Small files that together describe the model."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json")
"""Files from which transformers can make a fast tokenizer; one of them is required."""


def file_sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file below `folder`, by its path relative to it, in order."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def check_files(checkpoint: Checkpoint, paths: Collection[str]) -> None:
    """Check that weights and tokenizer exist in a supported format.

    Args:
        checkpoint: The checkpoint.
        paths: All files of the checkpoint, relative to its root, downloaded or not.

    Raises:
        ExportError: a file is missing, or its content does not match its name.
    """
    for folder in checkpoint.weight_folders:
        names = names_in(_relative(checkpoint, folder), paths)
        check_weights(str(folder), names, paths)
        if "model.safetensors" not in names and (folder / INDEX).is_file():
            _check_index(folder / INDEX, names)
        is_transformer = folder == checkpoint.transformer
        for name in sorted(names):
            # Weights on the hub are downloaded later, and checked by its client.
            if name.endswith(".safetensors") and (folder / name).is_file():
                check_content(folder / name, is_transformer=is_transformer)
    names = names_in(_relative(checkpoint, checkpoint.transformer), paths)
    _check_tokenizer(checkpoint.transformer, names)


def _check_index(path: Path, names: Collection[str]) -> None:
    """Check that an index of weights is valid and names only files in its folder."""
    index = Settings(path.name, read_json(path))
    if not isinstance(index.values.get("metadata"), dict):
        raise index.error("metadata", "an object, which may be empty")
    if missing := sorted(set(index.named_texts("weight_map").values()).difference(names)):
        raise ExportError(
            f"'{path}' names '{missing[0]}', which is not a file in its folder: download the "
            "checkpoint again"
        )


def _check_tokenizer(folder: Path, names: Collection[str]) -> None:
    found = [name for name in (*TOKENIZER_FILES, "merges.txt") if name in names]
    if not found:
        conversion = "".join(
            f"; it has only '{name}' of SentencePiece, which transformers converts: "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER), with the packages "
            "sentencepiece and protobuf"
            for name in sorted(names)
            if name.endswith(".model")
        )
        raise ExportError(
            f"'{folder}' has no supported tokenizer: it needs tokenizer.json, or else "
            f"{' or '.join(TOKENIZER_FILES[1:])}{conversion}"
        )
    for name in found:
        if (folder / name).is_file():
            check_pointer(folder / name)


def names_in(folder: str, paths: Collection[str]) -> set[str]:
    """Return the names of the files directly in `folder`, without its subfolders."""
    parent = PurePosixPath(folder)
    return {path.name for path in map(PurePosixPath, paths) if path.parent == parent}


def read_json(path: Path, default: Any = None) -> Any:
    """Return the JSON object in `path`, or the list if `default` is one.

    Args:
        path: The file.
        default: The value if the file is missing; ``None``: the file is required.

    Raises:
        ExportError: the file is required and missing, or malformed.
    """
    if not path.is_file():
        if default is None:
            raise ExportError(f"'{path}' is missing: this is not a checkpoint folder")
        return default
    check_pointer(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"'{path}' cannot be read: {one_line(error)}") from error
    kind, name = (list, "a list") if isinstance(default, list) else (dict, "an object")
    if not isinstance(value, kind):
        raise ExportError(f"'{path}' cannot be read: it is not {name}")
    return value


def _relative(checkpoint: Checkpoint, folder: Path) -> str:
    return folder.relative_to(checkpoint.folder).as_posix()
