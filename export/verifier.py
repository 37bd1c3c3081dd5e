"""The parity gate on a model that is already installed."""

from __future__ import annotations

from pathlib import Path

from triton_embed.contract import pipelines
from triton_embed.contract.pipeline import Role, Step
from triton_embed.export import stages
from triton_embed.export.checkpoint.tokenizer import TokenizerOptions
from triton_embed.export.errors import ExportError
from triton_embed.export.parity.gate import Parity
from triton_embed.export.parity.measurement import ServedModel, measure
from triton_embed.export.parity.texts import parity_texts
from triton_embed.export.plan import ExportPlan
from triton_embed.export.precedence import overrides_from_spec
from triton_embed.export.progress import Progress
from triton_embed.export.request import ExportRequest
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.provenance import Provenance, TokenizerProvenance


def verify(
    model: InstalledModel, checkpoint: str | None = None, revision: str | None = None
) -> Parity:
    """Compare an installed model with its checkpoint and return the measured parity.

    The installed tokenizer, prompts and limits are used. Nothing in the repository changes.

    Args:
        model: The installed model.
        checkpoint: A folder or a hub id; by default the model's provenance.
        revision: Revision on the hub; by default the exported one.

    Raises:
        ExportError: the checkpoint is unknown or missing, or belongs to another model.
    """
    request = _request(model, checkpoint, revision)

    def check_dimension(plan: ExportPlan) -> None:
        assert model.spec is not None
        if plan.spec.dimension != model.spec.dimension:
            raise ExportError(
                f"'{request.checkpoint}' has {plan.spec.dimension} dimensions, but "
                f"'{model.display_name}' has {model.spec.dimension}: it is another model's "
                "checkpoint"
            )

    progress = Progress(3)
    plan = stages.read_checkpoint(request, progress, check_dimension)
    reference = stages.embed_reference(plan, progress)
    with progress.step("comparing the model with the reference") as report:
        installed = ServedModel(
            encoder=_file(model, pipelines.ENCODER),
            tokenizer=_file(model, pipelines.TOKENIZER).read_text(encoding="utf-8"),
            spec=plan.spec,
            vision=_file(model, pipelines.VISION) if plan.preprocessor else None,
        )
        return measure(installed, reference, parity_texts(), plan.options, report)


def _file(model: InstalledModel, step: Step) -> Path:
    """Return the data of one step; a model without a problem has it."""
    folder = model.version_folder(step.role)
    assert folder is not None
    return folder / step.files[0]


def _request(model: InstalledModel, checkpoint: str | None, revision: str | None) -> ExportRequest:
    """Return the request that would export `model` again."""
    if model.spec is None or model.problem:
        raise ExportError(f"'{model.display_name}' {model.problem}")
    provenance = Provenance.read(model.version_folder(Role.ENCODE))
    if checkpoint is None and provenance is None:
        raise ExportError(f"the provenance of '{model.display_name}' is unknown: pass CHECKPOINT")
    overrides = overrides_from_spec(model.spec)
    if provenance is None:
        assert checkpoint is not None
        return ExportRequest(
            checkpoint, model.repository, model.spec.model_id, revision, overrides=overrides
        )
    if provenance.pooling is not None and provenance.normalize is not None:
        overrides |= {"pooling": provenance.pooling, "normalize": provenance.normalize}
    if checkpoint in (None, provenance.checkpoint):
        checkpoint, revision = provenance.checkpoint, revision or provenance.revision
    assert checkpoint is not None
    return ExportRequest(
        checkpoint,
        model.repository,
        model.spec.model_id,
        revision,
        target=provenance.target,
        precision=provenance.precision,
        overrides=overrides,
        tokenizer=_tokenizer_options(provenance.tokenizer),
    )


def _tokenizer_options(tokenizer: TokenizerProvenance | None) -> TokenizerOptions:
    if tokenizer is None:
        return TokenizerOptions()
    return TokenizerOptions(tokenizer.source, tokenizer.add_bos_token, tokenizer.add_eos_token)
