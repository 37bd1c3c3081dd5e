"""From a request and the checkpoint's settings to a plan, without loading any weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from triton_embed.contract import naming
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.model import Checkpoint, DenseConfig, NormalizeConfig
from triton_embed.export.checkpoint.reader import read_checkpoint
from triton_embed.export.checkpoint.source import Source, resolve_source
from triton_embed.export.errors import ExportError
from triton_embed.export.families.checks import check_architecture
from triton_embed.export.families.family import Family
from triton_embed.export.families.registry import family_of
from triton_embed.export.options import ExportOptions
from triton_embed.export.plan import ExportPlan
from triton_embed.export.precedence import (
    overrides_from_family,
    overrides_from_files,
    resolve_spec,
)
from triton_embed.export.precision import PRECISIONS
from triton_embed.export.presets import preset_for
from triton_embed.export.request import ExportRequest
from triton_embed.export.target import TARGETS


def plan(request: ExportRequest) -> ExportPlan:
    """Read the checkpoint's settings and decide the model's spec and export options.

    From the hub only the settings are downloaded.

    Raises:
        ExportError: the checkpoint cannot be exported, or the request does not fit it.
    """
    source = resolve_source(request.checkpoint, request.revision)
    read = read_checkpoint(source.folder, source.files)
    check_architecture(read.config)
    family = family_of(read.config)
    checkpoint = _with_requested_pooling(family.apply_defaults(read), request)
    config = _transformer_config(checkpoint, family)
    dimension = _dimension(checkpoint, config)
    model_id = _model_id(request, source)
    spec = resolve_spec(
        model_id=model_id,
        vocab_size=config.vocab_size,
        dimension=dimension,
        max_positions=family.max_positions(config),
        flags=request.overrides,
        files=overrides_from_files(read, dimension),
        preset=preset_for(source.name) or preset_for(model_id),
        family=overrides_from_family(checkpoint),
    )
    return ExportPlan(
        request=request,
        source=source,
        checkpoint=checkpoint,
        spec=replace(spec, pools_prompt=checkpoint.pools_prompt),
        options=_options(request, spec.max_tokens),
        notes=tuple(_notes(read, family, spec)),
    )


def _options(request: ExportRequest, max_tokens: int) -> ExportOptions:
    target = TARGETS[request.target]
    return ExportOptions(
        target,
        PRECISIONS[request.precision or target.default_precision],
        request.max_batch_size or target.default_batch_size(max_tokens),
    )


def _model_id(request: ExportRequest, source: Source) -> str:
    model_id = request.model_id or naming.default_model_id(source.name)
    if not naming.triton_model_name(model_id).strip("_"):
        raise ExportError(
            f"'{model_id}' is not a model id: it has no Latin letter and no digit; choose one "
            "with --model-id"
        )
    return model_id


def _notes(checkpoint: Checkpoint, family: Family, spec: ModelSpec) -> Iterator[str]:
    """Yield warnings about parts of the checkpoint that are ignored but may matter."""
    if checkpoint.config.get("auto_map") and not family.replaces_remote_code:
        yield (
            "the checkpoint brings code of its own (auto_map in config.json), which was not run; "
            "the reference is transformers' own class"
        )
    if checkpoint.unused_prompts and not spec.prompt_query:
        yield (
            "queries get no prompt; the checkpoint has prompts for single tasks "
            f"({', '.join(checkpoint.unused_prompts)}): if one of them is meant for queries, pass "
            "its text with --prompt-query"
        )


def _dimension(checkpoint: Checkpoint, config: Any) -> int:
    width: int = config.hidden_size * len(checkpoint.pooling_modes)
    for module in checkpoint.head:
        if isinstance(module, NormalizeConfig):
            continue
        if isinstance(module, DenseConfig):
            name, size, output = "in_features", module.in_features, module.out_features
        else:
            name, size, output = "dimension", module.dimension, module.dimension
        if size != width:
            raise ExportError(
                f"{module.folder.name}: {name} is {size}, but the preceding vectors have {width} "
                "dimensions"
            )
        width = output
    return width


def _with_requested_pooling(checkpoint: Checkpoint, request: ExportRequest) -> Checkpoint:
    if "pooling" not in request.overrides:
        return checkpoint
    if checkpoint.has_modules:
        raise ExportError(
            "--pooling is only for checkpoints without modules.json; this one defines its pooling"
        )
    return replace(checkpoint, pooling_modes=request.overrides["pooling"])


def _transformer_config(checkpoint: Checkpoint, family: Family) -> Any:
    try:
        return family.load_config(checkpoint.config)
    except Exception as error:
        raise ExportError(f"transformers cannot read config.json: {error}") from error
