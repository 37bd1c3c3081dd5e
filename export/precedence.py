"""The order of the sources of a model spec: flag, checkpoint files, preset, family.

No other module decides between two sources.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TypedDict

from triton_embed.contract.options import EmbeddingType
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.model import Checkpoint, NormalizeConfig
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError
from triton_embed.export.families.family import Family

HEAD_OPTIONS = ("pooling", "normalize")
"""The keys of `SpecOverrides` that ``modules.json`` already defines, and their flags."""


class SpecOverrides(TypedDict, total=False):
    """One source's values for a model spec; a source omits the values that it does not define.

    The values have the meaning of `ModelSpec`'s fields of the same names.
    """

    prompt_query: str
    prompt_passage: str
    prompt_default: str
    requires_input_type: bool
    max_tokens: int
    max_tokens_query: int
    max_tokens_passage: int
    matryoshka: tuple[int, ...] | None
    embedding_types: tuple[EmbeddingType, ...]
    pooling: tuple[str, ...]
    """Pooling modes, only for a checkpoint without ``modules.json``."""
    normalize: bool
    """L2 normalization of vectors, only for a checkpoint without ``modules.json``."""


def resolve_head(
    checkpoint: Checkpoint, *, flags: SpecOverrides, preset: SpecOverrides, family: SpecOverrides
) -> tuple[Checkpoint, tuple[str, ...]]:
    """Decide the pooling and the normalization of a checkpoint without ``modules.json``.

    Args:
        checkpoint: The checkpoint as read, with the pooling that sentence-transformers guesses.
        flags: Values of the command line.
        preset: Published values for the model's id.
        family: Values of the model family's official code.

    Returns:
        The checkpoint, and which of `HEAD_OPTIONS` no source defines.

    Raises:
        ExportError: a flag would override ``modules.json``.
    """
    if checkpoint.has_modules:
        for name in HEAD_OPTIONS:
            if name in flags:
                raise ExportError(
                    f"--{name} is only for checkpoints without modules.json; this one defines its "
                    "pooling and normalization"
                )
        return checkpoint, ()
    merged = SpecOverrides(**{**family, **preset, **flags})
    resolved = replace(
        checkpoint,
        pooling_modes=merged.get("pooling", checkpoint.pooling_modes),
        head=(NormalizeConfig(),) if merged.get("normalize") else (),
    )
    return resolved, tuple(name for name in HEAD_OPTIONS if name not in merged)


def resolve_spec(
    *,
    model_id: str,
    checkpoint: Checkpoint,
    vocab_size: int,
    dimension: int,
    max_positions: int,
    flags: SpecOverrides,
    files: SpecOverrides,
    preset: SpecOverrides,
    family: SpecOverrides,
) -> ModelSpec:
    """Merge the four sources into the spec of one model.

    Args:
        model_id: The public id.
        checkpoint: The checkpoint, with its head resolved.
        vocab_size: Rows of the transformer's token table.
        dimension: Length of the model's vectors.
        max_positions: Maximum tokens that the transformer has positions for.
        flags: Values of the command line.
        files: Values of the checkpoint's own files.
        preset: Published values for the model's id.
        family: Values of the model family's official code.

    Raises:
        ExportError: a flag exceeds the model's limits, or no source defines the maximum length.
    """
    merged = SpecOverrides(**{**family, **preset, **files, **flags})
    if flags.get("max_tokens", 0) > max_positions:
        raise ExportError(
            f"--max-tokens {flags['max_tokens']} exceeds the checkpoint's {max_positions} positions"
        )
    # A longer value of the files is reduced: sentence-transformers itself would fail beyond it.
    max_tokens = min(merged.get("max_tokens", sys.maxsize), max_positions)
    if max_tokens >= sys.maxsize:
        raise ExportError(
            "no file of the checkpoint limits the length of a text: use --max-tokens, or set "
            "max_seq_length in its sentence_bert_config.json"
        )
    return ModelSpec(
        model_id=model_id,
        max_tokens=max_tokens,
        vocab_size=vocab_size,
        dimension=dimension,
        matryoshka_dimensions=_matryoshka(merged, flags, dimension),
        embedding_types=merged.get("embedding_types", tuple(EmbeddingType)),
        prompt_query=merged.get("prompt_query", ""),
        prompt_passage=merged.get("prompt_passage", ""),
        prompt_default=merged.get("prompt_default", ""),
        requires_input_type=merged.get("requires_input_type"),
        max_tokens_query=_lower(merged.get("max_tokens_query"), max_tokens),
        max_tokens_passage=_lower(merged.get("max_tokens_passage"), max_tokens),
        pools_prompt=checkpoint.pools_prompt,
        pooling=checkpoint.pooling_modes,
        normalized=checkpoint.is_normalized,
    )


def _lower(limit: int | None, max_tokens: int) -> int | None:
    """Return `limit` if it has an effect in addition to `max_tokens`."""
    return limit if limit is not None and limit < max_tokens else None


def _matryoshka(
    merged: SpecOverrides, flags: SpecOverrides, dimension: int
) -> tuple[int, ...] | None:
    values = merged.get("matryoshka")
    if values and max(values) > dimension:
        if "matryoshka" in flags:
            raise ExportError(
                f"--matryoshka {max(values)} exceeds the model's dimension {dimension}"
            )
        # The preset belongs to another checkpoint that was given the same id.
        return None
    return values


def overrides_from_prompts(checkpoint: Checkpoint) -> SpecOverrides:
    """Return the checkpoint's prompts as a unit, so that they never mix with a preset's."""
    if not checkpoint.has_prompts:
        return {}
    return {
        "prompt_query": checkpoint.prompt_query,
        "prompt_passage": checkpoint.prompt_passage,
        "prompt_default": checkpoint.prompt_default,
    }


def overrides_from_files(checkpoint: Checkpoint, dimension: int) -> SpecOverrides:
    """Return the values of the checkpoint's files.

    Args:
        checkpoint: The checkpoint as read, without its family's defaults.
        dimension: Length of its vectors.
    """
    values = overrides_from_prompts(checkpoint)
    if checkpoint.max_seq_length is not None:
        values["max_tokens"] = checkpoint.max_seq_length
    if checkpoint.query_length is not None:
        values["max_tokens_query"] = checkpoint.query_length
    if checkpoint.document_length is not None:
        values["max_tokens_passage"] = checkpoint.document_length
    # transformers ignores these two keys; publishers write them for vLLM, which reads them.
    settings = Settings("config.json", checkpoint.config)
    if trained := settings.integers("matryoshka_dimensions"):
        values["matryoshka"] = tuple(sorted({*trained, dimension}))
    elif "is_matryoshka" in checkpoint.config:
        values["matryoshka"] = () if settings.flag("is_matryoshka") else None
    return values


def overrides_from_family(checkpoint: Checkpoint, family: Family) -> SpecOverrides:
    """Return the values of last resort: those of the family, the tokenizer's maximum length.

    Args:
        checkpoint: The checkpoint with its family's prompts.
        family: The checkpoint's family.

    Raises:
        ExportError: the family's code pools in an unsupported way.
    """
    values = overrides_from_prompts(checkpoint)
    values["max_tokens"] = checkpoint.tokenizer_max_length
    if not checkpoint.has_modules and (mode := family.pooling_mode(checkpoint.config)):
        values |= {"pooling": (mode,), "normalize": family.defaults.normalize}
    return values


def overrides_from_spec(spec: ModelSpec) -> SpecOverrides:
    """Return the overrides that reproduce the spec of an exported model."""
    values: SpecOverrides = {
        "prompt_query": spec.prompt_query,
        "prompt_passage": spec.prompt_passage,
        "prompt_default": spec.prompt_default,
        "requires_input_type": spec.is_input_type_required,
        "max_tokens": spec.max_tokens,
        "matryoshka": spec.matryoshka_dimensions,
        "embedding_types": spec.embedding_types,
    }
    if spec.max_tokens_query is not None:
        values["max_tokens_query"] = spec.max_tokens_query
    if spec.max_tokens_passage is not None:
        values["max_tokens_passage"] = spec.max_tokens_passage
    return values
