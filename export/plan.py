"""The result of planning: everything about an export that is known before weights are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2

from triton_embed.contract.image_spec import Resize
from triton_embed.contract.options import Modality
from triton_embed.contract.pipeline import Pipeline
from triton_embed.contract.pipelines import DUAL, FUSED, FUSED_ANY_SIZE, TEXT
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.image_markers import (
    check_placeholder,
    separate_image_tokens,
)
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.checkpoint.source import Source
from triton_embed.export.checkpoint.tokenizer import CheckpointTokenizer, read_tokenizer
from triton_embed.export.families.registry import family_of
from triton_embed.export.options import ExportOptions
from triton_embed.export.request import ExportRequest
from triton_embed.repository.provenance import Provenance, TokenizerProvenance
from triton_embed.repository.rendering import render


@dataclass(frozen=True)
class ExportPlan:
    """A checkpoint whose settings have been read, and the model that it becomes.

    Attributes:
        request: The user's request.
        source: The checkpoint's origin.
        checkpoint: The checkpoint with its family's defaults.
        spec: The model's spec; `int8_absmax` is missing until the plan is `calibrated`.
        options: Target, precision and batch size.
        notes: Warnings for the user.
        tokenizer: The tokenizer; ``None`` until its files are on disk, see `with_tokenizer`.
        preprocessor: The preprocessing of images; ``None``: the model takes texts only.
    """

    request: ExportRequest
    source: Source
    checkpoint: Checkpoint
    spec: ModelSpec
    options: ExportOptions
    notes: tuple[str, ...] = ()
    tokenizer: CheckpointTokenizer | None = None
    preprocessor: Preprocessor | None = None

    @property
    def pipeline(self) -> Pipeline:
        """The Triton models that the model consists of."""
        if self.preprocessor is None:
            return TEXT
        if self.preprocessor.spec.resize is Resize.FIT:
            return FUSED_ANY_SIZE
        return FUSED if Modality.TEXT_IMAGE in self.spec.modalities else DUAL

    @property
    def prompts(self) -> list[str]:
        """The distinct prompts that the model is used with."""
        spec = self.spec
        return list(dict.fromkeys((spec.prompt_default, spec.prompt_query, spec.prompt_passage)))

    @property
    def size(self) -> int:
        """Estimated bytes of the installed model: its weights and its tokenizer."""
        tokenizer = self.source.files.get("tokenizer.json", 0)
        weights = self.source.count_parameters(self.checkpoint)
        return self.options.precision.bytes_per_weight * weights + tokenizer

    @property
    def has_tokenizer_json(self) -> bool:
        """True if tokenizer.json is on disk, so that reading the tokenizer is fast."""
        return (self.checkpoint.transformer / "tokenizer.json").is_file()

    @property
    def provenance(self) -> Provenance:
        """The record of the model's origin, to be installed with it."""
        return Provenance(
            checkpoint=self.source.name,
            revision=self.source.revision,
            architecture=self.checkpoint.config["model_type"],
            pooling=None if self.checkpoint.has_modules else self.spec.pooling,
            normalize=None if self.checkpoint.has_modules else self.spec.normalized,
            target=self.options.target.name,
            precision=self.options.precision.name,
            tokenizer=self._tokenizer_provenance,
        )

    @property
    def _tokenizer_provenance(self) -> TokenizerProvenance | None:
        if self.tokenizer is None:
            return None
        flags = self.request.tokenizer
        return TokenizerProvenance(
            sha256=self.tokenizer.digest,
            source=flags.source,
            add_bos_token=flags.add_bos_token,
            add_eos_token=flags.add_eos_token,
            changes=self.tokenizer.changes,
        )

    def with_tokenizer(self) -> ExportPlan:
        """Return this plan with the tokenizer and its notes, read from files on disk.

        Raises:
            ExportError: the tokenizer cannot be read.
        """
        tokenizer = read_tokenizer(self.checkpoint, self.spec.vocab_size, self.request.tokenizer)
        spec = self.spec
        family = family_of(self.checkpoint.config)
        if family.pads_texts:
            spec = replace(spec, padding_id=tokenizer.padding_id)
        if family.vision and family.vision.markers:
            markers = family.vision.markers
            if self.checkpoint.image_separator is not None:
                markers = replace(markers, separator=self.checkpoint.image_separator)
            content, image_tokens = separate_image_tokens(
                tokenizer.content,
                markers,
                family.sizes(self.checkpoint.config).hidden_size,
            )
            check_placeholder(self.checkpoint.config, image_tokens)
            tokenizer = replace(tokenizer, content=content, whole=tokenizer.content)
            spec = replace(spec, image_tokens=image_tokens)
        return replace(self, spec=spec, tokenizer=tokenizer, notes=(*self.notes, *tokenizer.notes))

    def configs(self, exported_at: datetime) -> dict[str, model_config_pb2.ModelConfig]:
        """Return the configuration of every Triton model, by its name."""
        return render(
            self.spec,
            exported_at=exported_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            max_batch_size=self.options.max_batch_size,
            encoder=self.options.target.runtime,
            pipeline=self.pipeline,
        )

    def calibrated(self, vectors: Iterable[NDArray[np.float32]]) -> ExportPlan:
        """Return this plan with `int8_absmax` measured on reference vectors.

        Args:
            vectors: float32 [texts, dimension] of each prompt.
        """
        # The largest component seen maps to 127; a larger one at run time is clipped.
        absmax = max(float(np.abs(item).max()) for item in vectors)
        return replace(self, spec=replace(self.spec, int8_absmax=absmax))
