"""A run of ``embed``: windows are read, embedded and written at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TextIO

import numpy as np

from triton_embed.client.connection import Connection
from triton_embed.client.cutting import TokenEstimator
from triton_embed.client.errors import ClientError
from triton_embed.client.sender import Embedded, Sender
from triton_embed.corpus import manifest
from triton_embed.corpus.errors import RowRejected, UsageProblem, described
from triton_embed.corpus.inputs import find_inputs
from triton_embed.corpus.job import EmbedRequest
from triton_embed.corpus.model import Model, describe, version_of
from triton_embed.corpus.output import OutputFolder, Record
from triton_embed.corpus.part_writer import PartWriter, rejected_rows
from triton_embed.corpus.progress import Progress
from triton_embed.corpus.sinks import FORMATS
from triton_embed.corpus.sinks.sink import VectorColumn
from triton_embed.corpus.summary import Summary
from triton_embed.corpus.windows import EndOfPart, Part, Reader, Window

AHEAD_ROWS = 8192
"""Rows that are read before the oldest window is written: enough that the server is never idle, and
few enough for the memory."""

FIRST_CONTACT_SECONDS = 30.0
"""Seconds for which an unavailable server is retried at the start: its URL may be wrong."""

AHEAD_WINDOWS = 64
"""Windows that are read before the oldest one is written; matters if files or images are small."""

AHEAD_CHARACTERS = 64 << 20
"""Characters that are read before the oldest window is written; bounds the memory if texts are long
or images are large."""


@dataclass
class Pending:
    """A window or the end of a part, in order of the input.

    Attributes:
        item: The window or the end.
        embedding: Embeds the window; ``None`` for an end.
    """

    item: Window | EndOfPart
    embedding: asyncio.Task[Embedded] | None = None

    @property
    def rows(self) -> int:
        """Rows of the window."""
        return len(self.item.inputs) if isinstance(self.item, Window) else 0

    @property
    def characters(self) -> int:
        """Characters of the inputs of the window."""
        return sum(map(len, self.item.inputs)) if isinstance(self.item, Window) else 0


class Run:
    """Embeds the wanted parts.

    Args:
        request: The run.
        connection: Connection to the server.
        model: The model.
        folder: The output folder, opened.
        reader: Reads the wanted parts.
        progress: Counts rows and tokens.
    """

    def __init__(
        self,
        request: EmbedRequest,
        connection: Connection,
        model: Model,
        folder: OutputFolder,
        reader: Reader,
        progress: Progress,
    ) -> None:
        estimator = TokenEstimator(model.max_tokens)
        self._sender = Sender(connection, model.options, estimator, model.width)
        self._request = request
        self._connection = connection
        self._model = model
        self._folder = folder
        self._reader = reader
        self._progress = progress
        self._pending: deque[Pending] = deque()
        self._writer: PartWriter | None = None
        self.written: list[Record] = []

    async def embed(self) -> None:
        """Embed and write all wanted parts.

        Raises:
            RowRejected, UsageProblem, ServerGone: see `corpus.errors`.
        """
        items = self._reader.read()
        try:
            while await self._read_ahead(items) or self._pending:
                await self._write(self._pending.popleft())
        except ClientError as error:
            url, model = self._request.server.url, self._model.options.model
            advice = "run the same command again to continue"
            raise described(error, url, model, advice) from error
        finally:
            await self._stop()

    async def _read_ahead(self, items: Iterator[Window | EndOfPart]) -> bool:
        """Start to embed the next windows; return whether there may be more."""
        while (
            sum(each.rows for each in self._pending) < AHEAD_ROWS
            and sum(each.characters for each in self._pending) < AHEAD_CHARACTERS
            and len(self._pending) < AHEAD_WINDOWS
        ):
            item = await asyncio.to_thread(next, items, None)
            if item is None:
                return False
            task = None
            if isinstance(item, Window):
                task = asyncio.ensure_future(self._embed(item))
            self._pending.append(Pending(item, task))
        return True

    async def _embed(self, window: Window) -> Embedded:
        """Embed the rows of a window that have no problem."""
        positions = [at for at in range(len(window.inputs)) if at not in window.rows.problems]
        inputs = [window.inputs[at] for at in positions]
        found = await self._sender.embed(inputs, collect=True, report=self._progress.embedded)
        if len(positions) == len(window.inputs):
            return found
        vectors = np.zeros((len(window.inputs), self._model.width), found.vectors.dtype)
        vectors[positions] = found.vectors
        rejected = {positions[at]: error for at, error in found.rejected.items()}
        return Embedded(vectors, rejected, found.tokens)

    async def _write(self, pending: Pending) -> None:
        if pending.embedding is None:
            await self._finish_part()
            return
        assert isinstance(pending.item, Window)
        embedded = await pending.embedding
        self._check_rejected(pending.item, embedded)
        if self._writer is None:
            self._writer = self._open(pending.item.part)
        await asyncio.to_thread(self._writer.write, pending.item, embedded)

    def _open(self, part: Part) -> PartWriter:
        options = self._model.options
        properties = {
            **{name: str(value) for name, value in options.fields().items()},
            "model_version": self._model.version,
            "width": str(self._model.width),
        }
        name, is_nullable = self._request.columns.embedding, self._request.on_error == "null"
        column = VectorColumn(name, is_nullable, properties)
        return PartWriter(self._folder, part, FORMATS[self._request.format], column)

    def _check_rejected(self, window: Window, embedded: Embedded) -> None:
        if self._request.on_error != "fail":
            return
        for position, reason in rejected_rows(window, embedded).items():
            raise RowRejected(
                f"'{window.file}', row {window.rows.start + position}: {reason}; set --on-error "
                "to skip or null to continue with the other rows"
            )

    async def _finish_part(self) -> None:
        assert self._writer is not None
        if self._model.version:
            await self._check_version()
        self.written.append(await asyncio.to_thread(self._writer.finish))
        self._writer = None

    async def _check_version(self) -> None:
        id, version = self._model.options.model, self._model.version
        found = version_of(await self._connection.describe(id))
        if not found:
            raise UsageProblem(
                f"{self._request.server.url} does not serve '{id}' any longer; run the same "
                "command again once it does"
            )
        if found != version:
            raise UsageProblem(
                f"the model '{id}' was replaced during the run: it was exported at {version}, and "
                f"now at {found}; choose another output folder"
            )

    async def _stop(self) -> None:
        """Cancel the requests in flight, and remove the incomplete part."""
        tasks = [each.embedding for each in self._pending if each.embedding]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._writer is not None:
            self._writer.abandon()


async def run(request: EmbedRequest, stream: TextIO) -> Summary:
    """Embed the files of a request, and return the summary of all of its parts.

    Args:
        request: The run.
        stream: Receives the progress.

    Raises:
        RowRejected, UsageProblem, ServerGone: see `corpus.errors`.
    """
    files = find_inputs(request.inputs, request.output)
    folder = OutputFolder(request.output, FORMATS[request.format].suffix)
    found: dict[Part, Record | None] = {}

    def is_wanted(part: Part) -> bool:
        if not request.shard.includes(part.number):
            return False
        # Decided once, because another run of this shard may finish the part meanwhile.
        if part not in found:
            found[part] = folder.record(part)
        return found[part] is None

    progress = Progress(stream)
    reader = Reader(files, request.columns, request.part_rows, is_wanted, progress.read)
    reader.check()
    model = await _describe(request)
    if model.options.input_type != request.options.input_type:
        stream.write(f"input type: {model.options.input_type}\n")
    request = replace(request, options=model.options)
    expected = await asyncio.to_thread(manifest.build, request, files, model.version, model.width)
    connection = Connection(request.server)
    showing = asyncio.ensure_future(progress.show())
    try:
        folder.open(expected)
        work = Run(request, connection, model, folder, reader, progress)
        await work.embed()
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        await connection.close()
        folder.close()
    skipped = [record for record in found.values() if record is not None]
    return Summary.of(work.written, skipped, progress.seconds, request.output)


def _unwritable(folder: OutputFolder, error: OSError) -> UsageProblem:
    return UsageProblem(
        f"the output folder '{folder.path}' cannot be written: {error.strerror or error}; run the "
        "same command again to continue"
    )


async def _describe(request: EmbedRequest) -> Model:
    seconds = min(request.server.retry_seconds, FIRST_CONTACT_SECONDS)
    connection = Connection(replace(request.server, retry_seconds=seconds))
    try:
        return await describe(connection, request.options)
    except ClientError as error:
        advice = "start it, or set --url or --repository"
        raise described(error, request.server.url, request.options.model, advice) from error
    finally:
        await connection.close()
