"""From a request and the checkpoint's settings to a plan, without loading any weights."""

from __future__ import annotations

import sys
from dataclasses import replace

from triton_embed.contract import naming
from triton_embed.contract.options import Modality
from triton_embed.export import notes
from triton_embed.export.checkpoint.chat_template import apply_chat_template
from triton_embed.export.checkpoint.model import Checkpoint, DenseConfig, NormalizeConfig
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.checkpoint.reader import read_checkpoint
from triton_embed.export.checkpoint.source import Source, resolve_source
from triton_embed.export.errors import ExportError
from triton_embed.export.families.checks import check_architecture
from triton_embed.export.families.family import Family
from triton_embed.export.families.registry import family_of
from triton_embed.export.options import ExportOptions
from triton_embed.export.plan import ExportPlan
from triton_embed.export.precedence import (
    HEAD_OPTIONS,
    overrides_from_family,
    overrides_from_files,
    resolve_head,
    resolve_spec,
)
from triton_embed.export.precision import PRECISIONS
from triton_embed.export.presets import find_preset, suggested_ids
from triton_embed.export.request import ExportRequest
from triton_embed.export.target import TARGETS


def plan(request: ExportRequest) -> ExportPlan:
    """Read the checkpoint's settings and decide the model's spec and export options.

    From the hub only the settings are downloaded.

    Raises:
        ExportError: the checkpoint cannot be exported, or the request does not fit it.
    """
    source = resolve_source(request.checkpoint, request.revision, suggested_ids(request.checkpoint))
    model_id = _model_id(request, source)
    read = read_checkpoint(source.folder, source.files)
    check_architecture(read.config)
    family = family_of(read.config)
    read = _with_chat_template(read, family)
    with_prompts = family.apply_defaults(read)
    flags, preset = request.overrides, find_preset(source.name, model_id)
    defaults = overrides_from_family(with_prompts, family)
    checkpoint, guessed = resolve_head(
        with_prompts, flags=flags, preset=preset.values, family=defaults
    )
    sizes = family.sizes(checkpoint.config)
    preprocessor = _preprocessor(checkpoint, family)
    dimension = _dimension(checkpoint, family.vector_size(checkpoint.config))
    files = overrides_from_files(read, dimension)
    spec = resolve_spec(
        model_id=model_id,
        checkpoint=checkpoint,
        vocab_size=sizes.vocab_size,
        dimension=dimension,
        max_positions=family.max_positions(checkpoint.config),
        flags=flags,
        files=files,
        preset=preset.values,
        family=defaults,
    )
    if preprocessor and family.vision:
        modalities = tuple(Modality) if family.vision.markers else (Modality.TEXT, Modality.IMAGE)
        spec = replace(spec, modalities=modalities, image=preprocessor.spec)
    defined = {*flags, *files, *(HEAD_OPTIONS if read.has_modules else ())}
    return ExportPlan(
        request=request,
        source=source,
        checkpoint=checkpoint,
        spec=spec,
        preprocessor=preprocessor,
        options=_options(request, spec.max_tokens),
        notes=(
            *notes.ignored_parts(read, family, spec),
            *notes.values_of_preset(preset, spec, defined),
            *notes.guesses(spec, guessed),
        ),
    )


def _with_chat_template(checkpoint: Checkpoint, family: Family) -> Checkpoint:
    """Return `checkpoint` with the prompts that its chat template writes, if it has one.

    Raises:
        ExportError: the template is not supported.
    """
    if not checkpoint.renders_messages:
        return checkpoint
    if family.vision is None or family.vision.markers is None:
        raise ExportError(
            "sentence_bert_config.json: modality_config has 'message': the model embeds texts "
            "rendered by the chat template of its tokenizer, which is not supported"
        )
    return apply_chat_template(checkpoint, family.vision.markers.placeholder)


def _preprocessor(checkpoint: Checkpoint, family: Family) -> Preprocessor | None:
    """Return the preprocessing of images, if the model takes any.

    Raises:
        ExportError: it is not supported, or this Python is too old for images.
    """
    if family.vision is None:
        return None
    if sys.version_info < (3, 11):
        raise ExportError(
            "models that take images need Python 3.11 or newer: older ones have no Pillow without "
            "known security holes"
        )
    is_dual = family.vision.markers is None
    if is_dual and any(not isinstance(module, NormalizeConfig) for module in checkpoint.head):
        raise ExportError("modules.json has a Dense or LayerNorm after CLIPModel: not supported")
    return family.vision.read_preprocessor(checkpoint, family.vision)


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


def _dimension(checkpoint: Checkpoint, vector_size: int) -> int:
    width = vector_size * len(checkpoint.pooling_modes)
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
