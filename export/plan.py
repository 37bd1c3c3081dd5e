"""What an export will make, as far as it is known before any weights are loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoConfig
from tritonclient.grpc import model_config_pb2

from triton_embed.contract import naming
from triton_embed.contract.options import EmbeddingType
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint import reader as checkpoints
from triton_embed.export.checkpoint import source as sources
from triton_embed.export.checkpoint.reader import Checkpoint
from triton_embed.export.checkpoint.source import Source
from triton_embed.export.errors import ExportError
from triton_embed.export.families.registry import FAMILIES, check_architecture, complete
from triton_embed.export.options import ExportOptions
from triton_embed.export.overrides import SpecOverrides, of_files, of_prompts
from triton_embed.export.precision import PRECISIONS
from triton_embed.export.presets import preset_for
from triton_embed.export.target import TARGETS
from triton_embed.repository.provenance import Provenance
from triton_embed.repository.rendering import render


@dataclass(frozen=True)
class ExportPlan:
    """A checkpoint, read, and the spec of the model that it becomes.

    Attributes:
        source: Where the checkpoint comes from.
        checkpoint: With what its family adds to its files.
        spec: Complete but for `int8_absmax`, before it is `calibrated`.
        variant: As what it is exported.
        notes: What the user should know besides.
    """

    source: Source
    checkpoint: Checkpoint
    spec: ModelSpec
    variant: ExportOptions
    notes: tuple[str, ...] = ()

    @property
    def prompts(self) -> list[str]:
        """Every prompt that the model is used with, once."""
        spec = self.spec
        return list(dict.fromkeys((spec.prompt_default, spec.prompt_query, spec.prompt_passage)))

    @property
    def size(self) -> int:
        """About how many bytes the entry will have: the weights, and the tokenizer."""
        tokenizer = self.source.files.get("tokenizer.json", 0)
        weights = self.source.parameters(self.checkpoint)
        return self.variant.precision.bytes_each * weights + tokenizer

    def origin(self, flags: SpecOverrides) -> Provenance:
        """Return what the entry is to remember of where it came from."""
        return Provenance(
            checkpoint=self.source.name,
            revision=self.source.revision,
            architecture=self.checkpoint.config["model_type"],
            pooling=flags.get("pooling"),
            target=self.variant.target.name,
            precision=self.variant.precision.name,
        )

    def configs(self, exported_at: datetime) -> dict[str, model_config_pb2.ModelConfig]:
        """Return the configuration of every Triton model, see `repository.rendering.render`."""
        return render(
            self.spec,
            exported_at=exported_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            max_batch_size=self.variant.max_batch_size,
            encoder=self.variant.target.runtime,
        )

    def calibrated(self, vectors: Iterable[NDArray[np.float32]]) -> ExportPlan:
        """Return this plan with the range of the components of `vectors` in its spec."""
        # The largest component seen is mapped to 127; a larger one would be clipped.
        largest = max(float(np.abs(item).max()) for item in vectors)
        return replace(self, spec=replace(self.spec, int8_absmax=largest))


def make(
    checkpoint: str,
    *,
    model_id: str | None,
    flags: SpecOverrides,
    revision: str | None = None,
    target: str = "cpu",
    precision: str | None = None,
    max_batch_size: int | None = None,
) -> ExportPlan:
    """Read the settings of `checkpoint`, a folder or a hub id, and decide its spec.

    The arguments are those of `export.exporter.export`.

    Raises:
        ExportError: the checkpoint cannot be exported, or `flags` do not fit it.
    """
    source = sources.locate(checkpoint, revision)
    read = checkpoints.read(source.folder, source.files)
    check_architecture(read.config)
    completed = _with_pooling(complete(read), flags)
    settings = _settings(completed)
    dimension = _dimension(completed, settings)
    model_id = model_id or (source.name if source.revision else source.folder.name)
    if not naming.triton_model_name(model_id).strip("_"):
        raise ExportError(f"'{model_id}' is not a model id: it has no Latin letter and no digit")
    known = preset_for(source.name) or preset_for(model_id)
    files = of_files(read, dimension)
    rules = SpecOverrides(**{**of_prompts(completed), **known, **files, **flags})
    spec = ModelSpec(
        model_id=model_id,
        max_tokens=_max_tokens(completed, settings, rules, flags),
        vocab_size=settings.vocab_size,
        dimension=dimension,
        matryoshka_dimensions=_matryoshka(rules, flags, dimension),
        embedding_types=rules.get("embedding_types", tuple(EmbeddingType)),
        prompt_query=rules.get("prompt_query", ""),
        prompt_passage=rules.get("prompt_passage", ""),
        prompt_default=rules.get("prompt_default", ""),
        requires_input_type=rules.get("asymmetric"),
    )
    purpose = TARGETS[target]
    variant = ExportOptions(
        purpose,
        PRECISIONS[precision or purpose.precision],
        max_batch_size or purpose.batch(spec.max_tokens),
    )
    return ExportPlan(source, completed, spec, variant, tuple(_notes(read, spec)))


def _notes(checkpoint: Checkpoint, spec: ModelSpec) -> Iterator[str]:
    """Yield what an export of `checkpoint`, as read, leaves out without being wrong for sure."""
    family = FAMILIES[checkpoint.config["model_type"]]
    if checkpoint.config.get("auto_map") and not family.replaces_code:
        yield (
            "the checkpoint brings code of its own (auto_map in config.json), which was not run; "
            "the reference is transformers' own class"
        )
    if checkpoint.unused_prompts and not spec.prompt_query:
        yield (
            "no prompt is put before a query; the checkpoint has prompts for single tasks "
            f"({', '.join(checkpoint.unused_prompts)}): if one of them is meant for queries, give "
            "it with --prompt-query"
        )


def _dimension(checkpoint: Checkpoint, settings: Any) -> int:
    width: int = settings.hidden_size * len(checkpoint.pooling_modes)
    for stage in checkpoint.dense:
        if stage.in_features != width:
            raise ExportError(
                f"{stage.folder.name}: in_features is {stage.in_features}, but the vectors before "
                f"it have {width} dimensions"
            )
        width = stage.out_features
    return width


def _with_pooling(checkpoint: Checkpoint, flags: SpecOverrides) -> Checkpoint:
    if "pooling" not in flags:
        return checkpoint
    if checkpoint.has_modules:
        raise ExportError("--pooling is for checkpoints without modules.json, which says it itself")
    return replace(checkpoint, pooling_modes=flags["pooling"])


def _settings(checkpoint: Checkpoint) -> Any:
    try:
        return AutoConfig.from_pretrained(
            checkpoint.transformer,
            trust_remote_code=False,
            local_files_only=True,
            **FAMILIES[checkpoint.config["model_type"]].settings(checkpoint.config),
        )
    except Exception as error:
        raise ExportError(f"config.json cannot be understood: {error}") from error


def _max_tokens(
    checkpoint: Checkpoint, settings: Any, rules: SpecOverrides, flags: SpecOverrides
) -> int:
    positions = FAMILIES[checkpoint.config["model_type"]].max_positions(settings)
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


def _matryoshka(
    rules: SpecOverrides, flags: SpecOverrides, dimension: int
) -> tuple[int, ...] | None:
    values = rules.get("matryoshka")
    if values and max(values) > dimension:
        if "matryoshka" in flags:
            raise ExportError(
                f"--matryoshka {max(values)} is more than the model's dimension {dimension}"
            )
        # Another checkpoint under a known id.
        return None
    return values
