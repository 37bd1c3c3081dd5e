"""What a model spec says beyond the weights, and who decides it when several sources do."""

from __future__ import annotations

from typing import TypedDict

from triton_embed.contract.options import EmbeddingType
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.reader import Checkpoint


class SpecOverrides(TypedDict, total=False):
    """Decisions about a model spec; a source leaves out what it does not decide.

    Flags go before the checkpoint's files, these before the table of known models
    (`export.known`), and that before the recipe of the family.
    """

    prompt_query: str
    prompt_passage: str
    prompt_default: str
    asymmetric: bool
    """Whether a client must say query or passage; left out: it must if the prompts differ."""
    max_tokens: int
    matryoshka: tuple[int, ...] | None
    """See `ModelSpec`."""
    embedding_types: tuple[EmbeddingType, ...]
    pooling: tuple[str, ...]
    """Only for a checkpoint without ``modules.json``."""


def of_prompts(checkpoint: Checkpoint) -> SpecOverrides:
    """Return the checkpoint's prompts, all or none: one's own do not mix with a table's."""
    if not checkpoint.has_prompts:
        return {}
    return {
        "prompt_query": checkpoint.prompt_query,
        "prompt_passage": checkpoint.prompt_passage,
        "prompt_default": checkpoint.prompt_default,
    }


def of_files(checkpoint: Checkpoint, dimension: int) -> SpecOverrides:
    """Return what the checkpoint's files decide.

    Args:
        checkpoint: As read, without what its family's recipe adds.
        dimension: Length of its vectors.
    """
    rules = of_prompts(checkpoint)
    if checkpoint.max_seq_length is not None:
        rules["max_tokens"] = checkpoint.max_seq_length
    # Not of transformers, but vLLM reads these two keys, and publishers write them for it.
    if trained := checkpoint.config.get("matryoshka_dimensions"):
        rules["matryoshka"] = tuple(sorted({*map(int, trained), dimension}))
    elif "is_matryoshka" in checkpoint.config:
        rules["matryoshka"] = () if checkpoint.config["is_matryoshka"] else None
    return rules


def of_spec(spec: ModelSpec) -> SpecOverrides:
    """Return the rules that make the spec of an exported model again."""
    return {
        "prompt_query": spec.prompt_query,
        "prompt_passage": spec.prompt_passage,
        "prompt_default": spec.prompt_default,
        "asymmetric": spec.is_input_type_required,
        "max_tokens": spec.max_tokens,
        "matryoshka": spec.matryoshka_dimensions,
        "embedding_types": spec.embedding_types,
    }
