"""The command ``triton-embed embed``."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triton_embed.corpus.shard import Shard, parse_shard, shard_from
from triton_embed.runtime.commands import HeadedCommand, HeadedOption, ParserType
from triton_embed.runtime.values import Parser, comma_separated, integer, seconds

if TYPE_CHECKING:
    from triton_embed.corpus.job import EmbedRequest

positive = ParserType(integer(1))
folder = click.Path(file_okay=False, path_type=Path)

server_option = partial(click.option, cls=HeadedOption, heading="Server")
columns_option = partial(click.option, cls=HeadedOption, heading="Columns")
vectors_option = partial(click.option, cls=HeadedOption, heading="Vectors")
output_option = partial(click.option, cls=HeadedOption, heading="Output")


@click.command("embed", cls=HeadedCommand)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@output_option(
    "--output", type=folder, required=True, metavar="DIR", help="Folder of the output files."
)
@output_option(
    "--format",
    type=click.Choice(("parquet", "jsonl", "npy", "openai-batch")),
    default="parquet",
    show_default=True,
    help="Format of the output files.",
)
@output_option(
    "--part-rows",
    type=positive,
    default=100_000,
    show_default=True,
    help="Rows of an input file in each output file; a killed run loses its unfinished files.",
)
@output_option(
    "--on-error",
    type=click.Choice(("fail", "null", "skip")),
    default="fail",
    show_default=True,
    help="A row that cannot be embedded ends the run, gets null, or is left out. Rejected rows are "
    "listed in DIR/_rejects with the reason.",
)
@output_option(
    "--shard",
    type=ParserType(Parser("I/N", parse_shard)),
    help="Embed share I of N, from 0; all shards may write to the same folder.  [default: RANK "
    "and WORLD_SIZE, Slurm's variables, or JOB_COMPLETION_INDEX and JOB_COMPLETIONS; else 0/1]",
)
@vectors_option("--model", required=True, metavar="ID", help="Model id.")
@vectors_option(
    "--input-type",
    type=click.Choice(("query", "passage")),
    help="Side of the retrieval pair.  [default: passage for asymmetric models]",
)
@vectors_option(
    "--truncate",
    type=click.Choice(("NONE", "START", "END"), case_sensitive=False),
    help="Side on which a long text is truncated; with NONE it is rejected.  [default: NONE]",
)
@vectors_option("--dimensions", type=positive, help="Length of the vectors, for Matryoshka models.")
@vectors_option(
    "--embedding-type",
    type=click.Choice(("float", "int8", "uint8", "binary", "ubinary")),
    help="Element type of the vectors.  [default: float]",
)
@columns_option(
    "--text-column", help="Column with the texts.  [default: text, or the only column of strings]"
)
@columns_option(
    "--id-column", help="Column with the ids.  [default: id if there is one, else file:row]"
)
@columns_option("--image-column", help="Column with paths of images, their bytes, or data URLs.")
@columns_option(
    "--keep",
    type=ParserType(Parser("COLUMN,...", comma_separated)),
    default=(),
    help="Columns to copy to the output, or all.",
)
@columns_option(
    "--embedding-column", default="embedding", show_default=True, help="Column of the vectors."
)
@server_option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="Base URL of a server with OpenAI's embeddings API.",
)
@server_option(
    "--api-key",
    default="",
    envvar="TRITON_EMBED_CLIENT_API_KEY",
    show_envvar=True,
    help="Key to send as 'Authorization: Bearer KEY'.",
)
@server_option(
    "--repository",
    type=folder,
    metavar="DIR",
    help="Start a server on this model repository for the run, instead of using --url.",
)
@server_option(
    "--max-in-flight",
    type=positive,
    default=32,
    show_default=True,
    help="Maximum requests in flight; their number follows the server's latency.",
)
@server_option(
    "--retry-seconds",
    type=ParserType(seconds),
    default=300.0,
    show_default=True,
    help="Seconds for which a request is sent again while the server is unavailable.",
)
@click.pass_context
def embed(ctx: click.Context, /, **options: Any) -> int:
    """Embed files of texts with a running server.

    INPUT is a file, a folder or a glob pattern: Parquet, JSONL, CSV, TSV, Arrow, or plain text with
    a text in each line; text formats also with .gz, .zst or .bz2. A second run continues where a
    killed one stopped. The exit status is 0 if all rows were embedded, 1 if rows were rejected,
    2 if an option, an input or the output folder is unusable, and 3 if the server is unavailable.
    """
    # PyArrow and NumPy are slow to import.
    from triton_embed.corpus import offline, runner

    request = _request(ctx)
    if request.shard.count > 1:
        click.echo(str(request.shard), err=True)
    with ExitStack() as stack:
        if repository := options["repository"]:
            click.echo(f"starting a server on '{repository}' ...", err=True)
            url = stack.enter_context(offline.serving(repository, options["model"]))
            request = replace(request, server=replace(request.server, url=url))
        summary = asyncio.run(runner.run(request, sys.stderr))
    click.echo(summary.json())
    return 1 if summary.rejected else 0


def _request(ctx: click.Context) -> EmbedRequest:
    from triton_embed.client.connection import Server
    from triton_embed.client.options import EmbedOptions
    from triton_embed.corpus.job import ColumnOptions, EmbedRequest
    from triton_embed.corpus.sinks import FORMATS

    options = ctx.params
    if options["on_error"] == "null" and not FORMATS[options["format"]].has_nulls:
        raise click.UsageError(
            f"the format '{options['format']}' has no null; use --on-error skip or fail", ctx
        )
    truncate = options["truncate"]
    return EmbedRequest(
        inputs=options["inputs"],
        output=options["output"],
        server=Server(
            url=options["url"],
            api_key=options["api_key"],
            retry_seconds=options["retry_seconds"],
            max_in_flight=options["max_in_flight"],
        ),
        options=EmbedOptions(
            model=options["model"],
            input_type=options["input_type"],
            truncate=truncate and truncate.upper(),
            dimensions=options["dimensions"],
            embedding_type=options["embedding_type"],
        ),
        columns=ColumnOptions(
            text=options["text_column"],
            id=options["id_column"],
            image=options["image_column"],
            keep=options["keep"],
            embedding=options["embedding_column"],
        ),
        format=options["format"],
        on_error=options["on_error"],
        part_rows=options["part_rows"],
        shard=options["shard"] or _shard(ctx),
    )


def _shard(ctx: click.Context) -> Shard:
    try:
        return shard_from(os.environ)
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error
