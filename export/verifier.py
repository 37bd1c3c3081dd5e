"""Runs the parity gate again, on a model that is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from triton_embed.contract import pipelines
from triton_embed.export import plan as plans
from triton_embed.export.errors import ExportError
from triton_embed.export.overrides import of_spec
from triton_embed.export.parity import measurement as parity
from triton_embed.export.parity import reference
from triton_embed.export.parity.measurement import Parity
from triton_embed.export.parity.texts import parity_texts
from triton_embed.export.progress import Progress
from triton_embed.repository.model import InstalledModel, version


def verify(
    folder: Path, entry: InstalledModel, checkpoint: str | None = None, revision: str | None = None
) -> Parity:
    """Compare the installed `entry` with its checkpoint, and return the measured parity.

    The entry's own tokenizer, prompts and limits are used. Nothing in the repository changes.

    Args:
        folder: The model repository.
        entry: A model in it.
        checkpoint: A folder or a hub id; by default where the entry came from.
        revision: Of the hub; by default the one that was exported.

    Raises:
        ExportError: the checkpoint is not known or not there, or is of another model.
    """
    if entry.spec is None or entry.problem:
        raise ExportError(f"'{entry.title}' {entry.problem}")
    origin = entry.origin
    if checkpoint is None:
        if origin is None:
            raise ExportError(f"it is not known where '{entry.title}' came from: name CHECKPOINT")
        checkpoint = origin.checkpoint
    if origin and checkpoint == origin.checkpoint:
        revision = revision or origin.revision
    flags = of_spec(entry.spec)
    if origin and origin.pooling:
        flags["pooling"] = origin.pooling
    progress = Progress(3)
    with progress.step(f"reading {checkpoint}", talks=not Path(checkpoint).is_dir()):
        plan = plans.make(
            checkpoint,
            model_id=entry.spec.model_id,
            flags=flags,
            revision=revision,
            target=origin.target if origin else "cpu",
            precision=origin.precision if origin else None,
        )
        if plan.spec.dimension != entry.spec.dimension:
            raise ExportError(
                f"'{checkpoint}' has {plan.spec.dimension} dimensions, but '{entry.title}' "
                f"{entry.spec.dimension}: it is another model's checkpoint"
            )
        plan.source.download(plan.checkpoint)
    texts = parity_texts()
    with progress.step(f"embedding {len(texts)} texts with sentence-transformers") as advance:
        expected = reference.compute(
            plan.checkpoint, plan.prompts, texts, plan.spec.max_tokens, advance
        )
    with progress.step("comparing the model with the reference") as advance:
        tokenizer = version(folder, entry, pipelines.TOKENIZER) / "tokenizer.json"
        model = version(folder, entry, pipelines.ENCODER) / "model.onnx"
        installed = replace(expected, tokenizer=tokenizer.read_text(encoding="utf-8"))
        return parity.measure(model, installed, entry.spec.max_tokens, texts, plan.variant, advance)
