"""A copy of a checkpoint for the reference: its weights, but a given tokenizer and settings.

The library that computes the reference would otherwise rebuild the tokenizer from the class that
the checkpoint's files name, and would err where the export errs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from triton_embed.export.checkpoint.files import TOKENIZER_FILES
from triton_embed.export.checkpoint.model import Checkpoint

REPLACED = frozenset(
    (
        *TOKENIZER_FILES,
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "merges.txt",
        "special_tokens_map.json",
        "config.json",
        "tokenizer_config.json",
    )
)
"""Files of the transformer's folder that are not linked: config.json, and those that a tokenizer is
made from, besides ``*.model``."""


@contextmanager
def with_tokenizer(checkpoint: Checkpoint, tokenizer: str) -> Iterator[Checkpoint]:
    """Yield a copy of `checkpoint` with another tokenizer, for as long as the context lasts.

    The weights are linked, not copied.

    Args:
        checkpoint: The checkpoint, whose weights are on disk.
        tokenizer: The content of tokenizer.json.
    """
    with tempfile.TemporaryDirectory(prefix="triton-embed-") as name:
        folder = Path(name)
        for path in checkpoint.folder.rglob("*"):
            is_replaced = path.name in REPLACED or path.suffix == ".model"
            if path.is_dir() or (is_replaced and path.parent == checkpoint.transformer):
                continue
            link = folder / path.relative_to(checkpoint.folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        transformer = folder / checkpoint.transformer.relative_to(checkpoint.folder)
        (transformer / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
        config = json.dumps(checkpoint.config)
        (transformer / "config.json").write_text(config, encoding="utf-8")
        special = [
            token["content"] for token in json.loads(tokenizer)["added_tokens"] if token["special"]
        ]
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            # They tell the library where a prompt ends.
            "extra_special_tokens": special,
        }
        (transformer / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
        yield replace(checkpoint, folder=folder, transformer=transformer)
