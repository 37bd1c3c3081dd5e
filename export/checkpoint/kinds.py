"""Checkpoints of another kind than an embedding model, recognized by their settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

ADAPTER_FILE = "adapter_config.json"
COLBERT_FILE = "artifact.metadata"

RERANKER = "a classifier or reranker: it has no embeddings"
SPARSE = (
    "a sparse encoder (SPLADE): its vectors have a component for each token of the vocabulary, "
    "which is not supported"
)
MULTI_VECTOR = (
    "a multi-vector encoder (ColBERT): it has a vector for each token, which is not supported"
)

MODEL_TYPES = {
    "CrossEncoder": RERANKER,
    "SparseEncoder": SPARSE,
    "MultiVectorEncoder": MULTI_VECTOR,
}
"""Values of ``model_type`` in config_sentence_transformers.json."""

PACKAGES = {
    "sentence_transformers.cross_encoder.": RERANKER,
    "sentence_transformers.sparse_encoder.": SPARSE,
    "sentence_transformers.multi_vector_encoder.": MULTI_VECTOR,
    "pylate.": MULTI_VECTOR,
}
"""Beginnings of ``type`` in modules.json."""


def check_kind(folder: Path, paths: Collection[str]) -> None:
    """Check that a checkpoint is not known to be of another kind than an embedding model.

    Args:
        folder: The root, which holds at least the settings.
        paths: All files of the checkpoint, relative to `folder`.

    Raises:
        ExportError: the checkpoint is an adapter, a reranker, or has other vectors; the message
            gives the remedy, if there is one.
    """
    if ADAPTER_FILE in paths:
        settings = Settings(ADAPTER_FILE, read_json(folder / ADAPTER_FILE, default={}))
        base = settings.text("base_model_name_or_path")
        raise ExportError(
            f"the checkpoint is a LoRA adapter{f' of {base!r}' if base else ''} "
            f"({ADAPTER_FILE}): merge it into its model and export the result; docs/models.md has "
            "the commands"
        )
    if COLBERT_FILE in paths:
        raise ExportError(f"the checkpoint is {MULTI_VECTOR}")
    for kind in _kinds(folder):
        raise ExportError(f"the checkpoint is {kind}")


def _kinds(folder: Path) -> Iterator[str]:
    """Yield the kinds that the settings in `folder` name."""
    name = "config_sentence_transformers.json"
    model_type = Settings(name, read_json(folder / name, default={})).text("model_type")
    if model_type in MODEL_TYPES:
        yield MODEL_TYPES[model_type]
    modules: list[Any] = read_json(folder / "modules.json", default=[])
    types = [str(module.get("type")) for module in modules if isinstance(module, dict)]
    for prefix, kind in PACKAGES.items():
        if any(name.startswith(prefix) for name in types):
            yield kind
    config = Settings("config.json", read_json(folder / "config.json", default={}))
    if any("ColBERT" in name for name in config.texts("architectures")):
        yield MULTI_VECTOR
    if not modules and any("Classification" in name for name in config.texts("architectures")):
        yield RERANKER
