"""The command ``triton-embed export``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from triton_embed.contract.options import EmbeddingType
from triton_embed.export.command_context import command_context
from triton_embed.export.progress import LOADING, activity
from triton_embed.runtime.commands import HeadedCommand, HeadedOption, ParserType
from triton_embed.runtime.common_settings import RepositorySettings
from triton_embed.runtime.options import read_settings, setting_options
from triton_embed.runtime.values import Parser, integer

if TYPE_CHECKING:
    from triton_embed.export.request import ExportRequest
    from triton_embed.repository.model import InstalledModel

QUIET_SECONDS = 2.0
"""Seconds after which a dry run shows its progress; it usually takes less."""

positive = ParserType(integer(1))


def _matryoshka(text: str) -> tuple[int, ...] | None:
    if text == "none":
        return None
    return () if text == "any" else tuple(map(integer(1), text.split(",")))


def _some_of(text: str, choices: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if unknown := set(chosen).difference(choices):
        raise ValueError(f"'{unknown.pop()}' is not one of {', '.join(choices)}")
    return chosen


def _embedding_types(text: str) -> tuple[EmbeddingType, ...]:
    known = [kind.value for kind in EmbeddingType]
    return tuple(map(EmbeddingType, _some_of(text.lower(), known)))


def _pooling(text: str) -> tuple[str, ...]:
    from triton_embed.export.checkpoint.pooling import POOLING_MODES

    return _some_of(text, POOLING_MODES)


OVERRIDES = (
    "prompt_query",
    "prompt_passage",
    "prompt_default",
    "requires_input_type",
    "max_tokens",
    "matryoshka",
    "embedding_types",
    "pooling",
    "normalize",
)
"""Options of the model spec: the keys of `export.precedence.SpecOverrides`."""

override = partial(click.option, cls=HeadedOption, heading="Model spec")
tokenizer_option = partial(click.option, cls=HeadedOption, heading="Tokenizer")


@click.command("export", cls=HeadedCommand, params=setting_options(RepositorySettings))
@click.argument("checkpoint")
@click.option(
    "--model-id", metavar="ID", help="Public id.  [default: the hub id, or the folder's name]"
)
@click.option(
    "--revision",
    metavar="REVISION",
    help="Branch, tag or commit on the hub.  [default: the main branch]",
)
@click.option(
    "--target",
    type=click.Choice(("cpu", "cuda", "tensorrt")),
    default="cpu",
    show_default=True,
    help="Runtime of the encoder: ONNX Runtime on a CPU or an NVIDIA GPU, or TensorRT.",
)
@click.option(
    "--precision",
    type=click.Choice(("fp32", "fp16", "bf16", "int8")),
    help="Precision of the transformer's weights; pooling and normalization are always float32.  "
    "[default: fp32 for a CPU, else fp16]",
)
@click.option(
    "--max-batch-size",
    type=positive,
    help="Maximum texts per Triton request and per execution.  [default: 256; fewer for "
    "tensorrt if texts may be long]",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would be exported; download no weights and write nothing.",
)
@click.option(
    "--if-needed",
    is_flag=True,
    help="Do nothing if the model is installed from the same checkpoint and commit, for the same "
    "target and precision.",
)
@click.option(
    "--usage/--no-usage",
    default=True,
    hidden=True,
    help="Whether to print the commands that use the model; 'serve' serves it already.",
)
@override("--prompt-query", metavar="TEXT", help="Prompt for queries.")
@override("--prompt-passage", metavar="TEXT", help="Prompt for passages.")
@override("--prompt-default", metavar="TEXT", help="Prompt for texts without an input type.")
@override(
    "--asymmetric/--symmetric",
    "requires_input_type",
    default=None,
    help="Whether clients must send the input type.  [default: if the prompts of query and passage "
    "differ]",
)
@override("--max-tokens", type=positive, help="Maximum tokens of a text, its prompt included.")
@override(
    "--matryoshka",
    type=ParserType(Parser("none|any|N,...", _matryoshka)),
    help="Values of 'dimensions' that the model was trained for.",
)
@override(
    "--embedding-types",
    type=ParserType(Parser("TYPE,...", _embedding_types)),
    help=f"Embedding types that clients may request.  [default: {', '.join(EmbeddingType)}]",
)
@override(
    "--pooling",
    type=ParserType(Parser("MODE,...", _pooling)),
    help="Pooling of a checkpoint without modules.json.  [default: as published for a "
    "well-known id, or that of its family, else a guess, with a note]",
)
@override(
    "--normalize/--no-normalize",
    default=None,
    help="Whether the vectors of a checkpoint without modules.json are L2-normalized.  [default: "
    "as published for a well-known id, or as its family does, else no, with a note]",
)
@tokenizer_option(
    "--tokenizer",
    "tokenizer_source",
    type=click.Choice(("config", "file")),
    default="config",
    show_default=True,
    help="tokenizer.json with the settings of tokenizer_config.json applied, or as it is.",
)
@tokenizer_option(
    "--add-bos-token/--no-add-bos-token",
    default=None,
    help="Begin each text with the bos token.  [default: as in the checkpoint's files]",
)
@tokenizer_option(
    "--add-eos-token/--no-add-eos-token",
    default=None,
    help="End each text with the eos token.  [default: as in the checkpoint's files]",
)
@click.pass_context
def export(ctx: click.Context, /, *, dry_run: bool, if_needed: bool, **_: Any) -> None:
    """Export a checkpoint into a model repository.

    CHECKPOINT is a folder in the layout of sentence-transformers, or an id on the Hugging Face hub.
    By default, the model spec is read from the checkpoint's files; for well-known ids, published
    values supply what the files do not define.
    """
    with command_context("export"):
        request = _request(ctx)
        if dry_run:
            click.echo(_dry_run(request))
            return
        if if_needed and (model := _find_installed(request)):
            click.echo(f"'{model.display_name}' is already installed; nothing to export.")
            return
        with activity(LOADING):
            from triton_embed.export import exporter
        from triton_embed.export.model_view import spec_rows, table
        from triton_embed.export.usage import usage

        exported = exporter.export(request)
        click.echo(f"Exported: {exported.parity}.\n")
        click.echo(table(spec_rows(exported.spec)))
        if ctx.params["usage"]:
            click.echo(f"\n{usage(exported.spec, request.model_repository)}")


def _dry_run(request: ExportRequest) -> str:
    from triton_embed.export import plan_view
    from triton_embed.export.planner import plan

    with activity(f"reading {request.checkpoint}", delay=QUIET_SECONDS):
        planned = plan(request)
        if planned.has_tokenizer_json:
            planned = planned.with_tokenizer()
        return plan_view.details(planned)


def _find_installed(request: ExportRequest) -> InstalledModel | None:
    from triton_embed.export.installed import find_installed

    return find_installed(request)


def _request(ctx: click.Context) -> ExportRequest:
    from triton_embed.export.checkpoint.tokenizer import TokenizerOptions
    from triton_embed.export.request import ExportRequest

    options = ctx.params
    overrides: Any = {
        name: options[name]
        for name in OVERRIDES
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return ExportRequest(
        checkpoint=options["checkpoint"],
        model_repository=read_settings(ctx, RepositorySettings).model_repository,
        model_id=options["model_id"],
        revision=options["revision"],
        target=options["target"],
        precision=options["precision"],
        max_batch_size=options["max_batch_size"],
        overrides=overrides,
        tokenizer=TokenizerOptions(
            options["tokenizer_source"], options["add_bos_token"], options["add_eos_token"]
        ),
    )
