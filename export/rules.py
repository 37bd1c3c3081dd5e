"""What a model card says beyond the weights, and who decides it when several sources do."""

from __future__ import annotations

from typing import TypedDict

from contract.card import ModelCard
from contract.options import EmbeddingType
from export.checkpoint import Checkpoint


class Rules(TypedDict, total=False):
    """Decisions about a model card; a source leaves out what it does not decide.

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
    """See `ModelCard`."""
    embedding_types: tuple[EmbeddingType, ...]
    pooling: tuple[str, ...]
    """Only for a checkpoint without ``modules.json``."""


def of_prompts(checkpoint: Checkpoint) -> Rules:
    """Return the checkpoint's prompts, all or none: one's own do not mix with a table's."""
    if not checkpoint.has_prompts:
        return {}
    return {
        "prompt_query": checkpoint.prompt_query,
        "prompt_passage": checkpoint.prompt_passage,
        "prompt_default": checkpoint.prompt_default,
    }


def of_files(checkpoint: Checkpoint, dimension: int) -> Rules:
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


def of_card(card: ModelCard) -> Rules:
    """Return the rules that make the card of an exported model again."""
    return {
        "prompt_query": card.prompt_query,
        "prompt_passage": card.prompt_passage,
        "prompt_default": card.prompt_default,
        "asymmetric": card.asymmetric,
        "max_tokens": card.max_tokens,
        "matryoshka": card.matryoshka,
        "embedding_types": card.embedding_types,
    }
