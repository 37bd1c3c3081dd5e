"""The first stages of an export, which a verification repeats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from triton_embed.export import planner
from triton_embed.export.parity import reference
from triton_embed.export.parity.reference import Reference
from triton_embed.export.parity.texts import parity_texts
from triton_embed.export.plan import ExportPlan
from triton_embed.export.progress import Progress
from triton_embed.export.request import ExportRequest


def read_checkpoint(
    request: ExportRequest, progress: Progress, check: Callable[[ExportPlan], object]
) -> ExportPlan:
    """Plan the export, then download the weights if the checkpoint comes from the hub.

    Args:
        request: The user's request.
        progress: The reporter; this is one step.
        check: Raises ExportError for a plan that must not go on to the download.

    Raises:
        ExportError: the checkpoint cannot be exported or downloaded.
    """
    is_hub_id = not Path(request.checkpoint).is_dir()
    with progress.step(f"reading {request.checkpoint}", multiline=is_hub_id):
        plan = planner.plan(request)
        check(plan)
        plan.source.download(plan.checkpoint)
    return plan


def embed_reference(plan: ExportPlan, progress: Progress) -> Reference:
    """Embed the parity texts with sentence-transformers.

    Raises:
        ExportError: the weights cannot be loaded.
    """
    texts = parity_texts()
    with progress.step(f"embedding {len(texts)} texts with sentence-transformers") as report:
        return reference.compute(plan.checkpoint, plan.prompts, texts, plan.spec.max_tokens, report)
