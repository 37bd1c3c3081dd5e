"""Plans of exports, made without loading weights."""

from __future__ import annotations

from pathlib import Path

from triton_embed.contract.spec import ModelSpec
from triton_embed.export import planner
from triton_embed.export.plan import ExportPlan
from triton_embed.export.precedence import SpecOverrides
from triton_embed.export.request import ExportRequest


def make_plan(
    folder: Path,
    model_id: str | None = None,
    overrides: SpecOverrides | None = None,
    max_batch_size: int | None = None,
) -> ExportPlan:
    """Return the plan of an export of the checkpoint in `folder`."""
    return planner.plan(
        ExportRequest(
            str(folder),
            folder.parent / "repository",
            model_id,
            max_batch_size=max_batch_size,
            overrides=overrides or {},
        )
    )


def make_spec(
    folder: Path, model_id: str | None = None, overrides: SpecOverrides | None = None
) -> ModelSpec:
    """Return the spec that an export of the checkpoint in `folder` would have."""
    return make_plan(folder, model_id, overrides).spec
