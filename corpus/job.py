"""Everything that the user of ``embed`` requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from triton_embed.client.connection import Server
from triton_embed.client.options import EmbedOptions
from triton_embed.corpus.shard import Shard


@dataclass(frozen=True)
class ColumnOptions:
    """Columns of the input files and of the output.

    Attributes:
        text: Column with the texts; ``None``: ``text``, or the only column of strings.
        id: Column with the ids; ``None``: ``id`` if there is one, else file and row.
        image: Column with images; ``None``: there are none.
        keep: Columns that are copied to the output; ``("all",)``: all of them.
        embedding: Name of the column of the vectors.
    """

    text: str | None = None
    id: str | None = None
    image: str | None = None
    keep: tuple[str, ...] = ()
    embedding: str = "embedding"


@dataclass(frozen=True)
class EmbedRequest:
    """A run of ``embed``.

    Attributes:
        inputs: Files, folders and glob patterns.
        output: Folder of the output.
        server: The server.
        options: Options of every request.
        columns: Columns of the input files and of the output.
        format: Format of the output, a key of `corpus.sinks.FORMATS`.
        on_error: ``fail``, ``null`` or ``skip``.
        part_rows: Rows of each part of an input file.
        shard: The share of the parts that this run embeds.
    """

    inputs: tuple[str, ...]
    output: Path
    server: Server
    options: EmbedOptions
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    format: str = "parquet"
    on_error: str = "fail"
    part_rows: int = 100_000
    shard: Shard = field(default_factory=Shard)
