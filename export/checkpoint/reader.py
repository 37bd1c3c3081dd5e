"""Reads the settings of a checkpoint without running anything that it contains."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from triton_embed.export.checkpoint import tokenizer_settings
from triton_embed.export.checkpoint.files import check_files, read_json
from triton_embed.export.checkpoint.head import Head, read_head
from triton_embed.export.checkpoint.kinds import check_kind
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.modules import read_modules
from triton_embed.export.checkpoint.pooling import default_pooling
from triton_embed.export.checkpoint.settings import Settings, shown
from triton_embed.export.checkpoint.tokenizer import check_class
from triton_embed.export.checkpoint.transformer_settings import (
    max_seq_length,
    read_config,
    read_transformer_settings,
    renders_messages,
    token_limit,
)
from triton_embed.export.checkpoint.weights import OTHER_FORMATS, check_weights
from triton_embed.export.errors import ExportError


def read_checkpoint(folder: Path, paths: Collection[str]) -> Checkpoint:
    """Read the checkpoint in `folder`.

    A folder without ``modules.json`` is a plain transformer. It is pooled as sentence-transformers
    does: by the mean, or by the last token if it is a causal language model.

    Args:
        folder: The root, which holds at least the settings.
        paths: All files of the checkpoint, relative to `folder`; weights and tokenizer may not
            have been downloaded yet.

    Raises:
        ExportError: a file is missing or malformed, or names an unsupported module, or the
            checkpoint is no embedding model.
    """
    check_kind(folder, paths)
    names = {PurePosixPath(path).name for path in paths}
    if "config.json" not in names and any(name.endswith(OTHER_FORMATS) for name in names):
        check_weights(str(folder), names, paths)
    modules = read_modules(folder)
    transformer = folder / modules[0].path if modules else folder
    config = read_config(transformer)
    head = read_head(folder, modules) if modules else Head((default_pooling(config),))
    settings = _sentence_transformers_settings(folder)
    transformer_settings = read_transformer_settings(transformer)
    processor: dict[str, Any] = read_json(transformer / "processor_config.json", default={})
    checkpoint = Checkpoint(
        folder=folder,
        transformer=transformer,
        config=config,
        has_modules=bool(modules),
        pooling_modes=head.pooling_modes,
        pools_prompt=head.pools_prompt,
        head=head.modules,
        prompts=settings.named_texts("prompts") or _processor_prompts(processor),
        default_prompt_name=settings.text("default_prompt_name"),
        max_seq_length=max_seq_length(transformer_settings),
        query_length=token_limit(transformer_settings, "query_length")
        or token_limit(processor, "q_max_length"),
        document_length=token_limit(transformer_settings, "document_length")
        or token_limit(processor, "p_max_length"),
        renders_messages=renders_messages(transformer_settings),
        tokenizer_max_length=tokenizer_settings.max_length(transformer),
    )
    check_files(checkpoint, paths)
    check_class(transformer, config)
    return checkpoint


def _processor_prompts(processor: dict[str, Any]) -> dict[str, str]:
    """Return the prompts of a processor_config.json, which puts a space after each."""
    settings = Settings("processor_config.json", processor)
    prefixes = {side: settings.text(f"{side}_prefix") for side in ("query", "passage")}
    return {side: f"{prefix} " for side, prefix in prefixes.items() if prefix}


def _sentence_transformers_settings(folder: Path) -> Settings:
    name = "config_sentence_transformers.json"
    settings = Settings(name, read_json(folder / name, default={}))
    if (dimension := settings.values.get("truncate_dim")) is not None:
        raise ExportError(
            f"{name}: truncate_dim {shown(dimension)} is not supported: remove it, and use "
            "--matryoshka to let clients request shorter vectors"
        )
    return settings
