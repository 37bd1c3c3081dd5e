"""What an export will make, as far as it is known before any weights are loaded."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

from transformers import AutoConfig

from contract import names
from contract.card import ModelCard
from contract.options import EmbeddingType
from export import checkpoint as checkpoints
from export import source as sources
from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.families import FAMILIES, check_architecture, complete
from export.known import lookup
from export.origin import Origin
from export.rules import Rules, of_files, of_prompts
from export.source import Source


@dataclass(frozen=True)
class Plan:
    """A checkpoint, read, and the card of the model that it becomes.

    Attributes:
        source: Where the checkpoint comes from.
        checkpoint: With what its family adds to its files.
        card: Complete but for `int8_range`.
    """

    source: Source
    checkpoint: Checkpoint
    card: ModelCard

    @property
    def prompts(self) -> list[str]:
        """Every prompt that the model is used with, once."""
        card = self.card
        return list(dict.fromkeys((card.prompt_default, card.prompt_query, card.prompt_passage)))

    @property
    def size(self) -> int:
        """About how many bytes the entry will have: weights in float32, and the tokenizer."""
        tokenizer = self.source.files.get("tokenizer.json", 0)
        return 4 * self.source.parameters(self.checkpoint) + tokenizer

    def origin(self, flags: Rules) -> Origin:
        """Return what the entry is to remember of where it came from."""
        kind = self.checkpoint.config["model_type"]
        return Origin(self.source.name, self.source.revision, kind, flags.get("pooling"))


def make(
    checkpoint: str, *, model_id: str | None, revision: str | None = None, flags: Rules
) -> Plan:
    """Read the settings of `checkpoint`, a folder or a hub id, and decide its card.

    Raises:
        ExportError: the checkpoint cannot be exported, or `flags` do not fit it.
    """
    source = sources.locate(checkpoint, revision)
    read = checkpoints.read(source.folder, source.files)
    check_architecture(read.config)
    completed = _with_pooling(complete(read), flags)
    config = _config(completed)
    dimension = (
        completed.dense[-1].out_features
        if completed.dense
        else config.hidden_size * len(completed.pooling_modes)
    )
    model_id = model_id or (source.name if source.revision else source.folder.name)
    if not names.triton_model_name(model_id).strip("_"):
        raise ExportError(f"'{model_id}' is not a model id: it has no Latin letter and no digit")
    known = lookup(source.name) or lookup(model_id)
    files = of_files(read, dimension)
    rules = Rules(**{**of_prompts(completed), **known, **files, **flags})
    card = ModelCard(
        model_id=model_id,
        max_tokens=_max_tokens(completed, config, rules, flags),
        vocab_size=config.vocab_size,
        dimension=dimension,
        matryoshka=_matryoshka(rules, flags, dimension),
        embedding_types=rules.get("embedding_types", tuple(EmbeddingType)),
        prompt_query=rules.get("prompt_query", ""),
        prompt_passage=rules.get("prompt_passage", ""),
        prompt_default=rules.get("prompt_default", ""),
        requires_input_type=rules.get("asymmetric"),
    )
    return Plan(source, completed, card)


def _with_pooling(checkpoint: Checkpoint, flags: Rules) -> Checkpoint:
    if "pooling" not in flags:
        return checkpoint
    if checkpoint.has_modules:
        raise ExportError("--pooling is for checkpoints without modules.json, which says it itself")
    return replace(checkpoint, pooling_modes=flags["pooling"])


def _config(checkpoint: Checkpoint) -> Any:
    try:
        return AutoConfig.from_pretrained(
            checkpoint.transformer,
            trust_remote_code=False,
            local_files_only=True,
            **FAMILIES[checkpoint.config["model_type"]].settings(checkpoint.config),
        )
    except Exception as error:
        raise ExportError(f"config.json cannot be understood: {error}") from error


def _max_tokens(checkpoint: Checkpoint, config: Any, rules: Rules, flags: Rules) -> int:
    positions = FAMILIES[checkpoint.config["model_type"]].max_positions(config)
    if flags.get("max_tokens", 0) > positions:
        raise ExportError(
            f"--max-tokens {flags['max_tokens']} is more than the {positions} positions of the "
            "checkpoint"
        )
    # A longer max_seq_length in the files is cut, as their own library would fail on such a text.
    most = min(rules.get("max_tokens") or checkpoint.tokenizer_max_length, positions)
    if most >= sys.maxsize:
        raise ExportError(
            "the checkpoint does not say how long a text may be: use --max-tokens, or write "
            "max_seq_length into its sentence_bert_config.json"
        )
    return most


def _matryoshka(rules: Rules, flags: Rules, dimension: int) -> tuple[int, ...] | None:
    values = rules.get("matryoshka")
    if values and max(values) > dimension:
        if "matryoshka" in flags:
            raise ExportError(
                f"--matryoshka {max(values)} is more than the model's dimension {dimension}"
            )
        # Another checkpoint under a known id.
        return None
    return values
