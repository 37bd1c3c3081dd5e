"""The first stages of an export, which a verification repeats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from triton_embed.export import planner
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.families.checks import check_transformers
from triton_embed.export.parity import reference
from triton_embed.export.parity.reference import Reference
from triton_embed.export.parity.texts import parity_texts
from triton_embed.export.plan import ExportPlan
from triton_embed.export.progress import Progress
from triton_embed.export.request import ExportRequest


def read_checkpoint(
    request: ExportRequest, progress: Progress, check: Callable[[ExportPlan], object]
) -> ExportPlan:
    """Plan the export, download the weights if they are on the hub, and read the tokenizer.

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
        check_transformers(plan.checkpoint.config)
        plan.source.download(plan.checkpoint)
        return plan.with_tokenizer()


def embed_reference(plan: ExportPlan, progress: Progress) -> Reference:
    """Embed the parity texts with sentence-transformers, or texts and images with transformers.

    Raises:
        ExportError: the weights cannot be loaded.
    """
    texts = parity_texts()
    assert plan.tokenizer is not None
    if plan.preprocessor and plan.spec.image_tokens:
        return _embed_fused_reference(plan, plan.preprocessor, progress)
    if plan.preprocessor:
        # Pillow is needed for images only.
        from triton_embed.export.parity import two_towers
        from triton_embed.export.parity.images import parity_images

        images = parity_images()
        title = f"embedding {len(texts)} texts and {len(images)} images with transformers"
        with progress.step(title) as report:
            return two_towers.compute(
                plan.checkpoint, plan.tokenizer.content, plan.spec, texts, images, report
            )
    with progress.step(f"embedding {len(texts)} texts with sentence-transformers") as report:
        return reference.compute(
            plan.checkpoint,
            plan.tokenizer.content,
            plan.prompts,
            texts,
            plan.spec.max_tokens,
            report,
        )


def _embed_fused_reference(
    plan: ExportPlan, preprocessor: Preprocessor, progress: Progress
) -> Reference:
    # Pillow is needed for images only.
    from triton_embed.export.parity import fused

    assert plan.tokenizer is not None
    texts = parity_texts()
    with progress.step(f"embedding {len(texts)} texts, and images, with transformers") as report:
        return fused.compute(
            plan.checkpoint, preprocessor, plan.tokenizer, plan.spec, plan.prompts, texts, report
        )
