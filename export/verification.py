"""Runs the parity gate again, on a model that is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from contract import names
from export import parity, reference
from export import plan as plans
from export.entry import Entry, version
from export.errors import ExportError
from export.parity import Parity
from export.progress import Progress
from export.rules import of_card
from export.texts import corpus


def verify(
    folder: Path, entry: Entry, checkpoint: str | None = None, revision: str | None = None
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
    if entry.card is None or entry.problem:
        raise ExportError(f"'{entry.title}' {entry.problem}")
    origin = entry.origin
    if checkpoint is None:
        if origin is None:
            raise ExportError(f"it is not known where '{entry.title}' came from: name CHECKPOINT")
        checkpoint = origin.checkpoint
    if origin and checkpoint == origin.checkpoint:
        revision = revision or origin.revision
    flags = of_card(entry.card)
    if origin and origin.pooling:
        flags["pooling"] = origin.pooling
    progress = Progress(3)
    with progress.step(f"reading {checkpoint}", talks=not Path(checkpoint).is_dir()):
        plan = plans.make(
            checkpoint,
            model_id=entry.card.model_id,
            flags=flags,
            revision=revision,
            target=origin.target if origin else "cpu",
            precision=origin.precision if origin else None,
        )
        if plan.card.dimension != entry.card.dimension:
            raise ExportError(
                f"'{checkpoint}' has {plan.card.dimension} dimensions, but '{entry.title}' "
                f"{entry.card.dimension}: it is another model's checkpoint"
            )
        plan.source.download(plan.checkpoint)
    texts = corpus()
    with progress.step(f"embedding {len(texts)} texts with sentence-transformers") as advance:
        expected = reference.compute(
            plan.checkpoint, plan.prompts, texts, plan.card.max_tokens, advance
        )
    with progress.step("comparing the model with the reference") as advance:
        tokenizer = version(folder, entry, names.TOKENIZER) / "tokenizer.json"
        model = version(folder, entry, names.ENCODER) / "model.onnx"
        installed = replace(expected, tokenizer=tokenizer.read_text(encoding="utf-8"))
        return parity.measure(model, installed, entry.card.max_tokens, texts, plan.variant, advance)
