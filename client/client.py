"""The synchronous client."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from triton_embed.client.async_client import AsyncClient
from triton_embed.client.connection import Server
from triton_embed.client.options import EmbedOptions


class Client:
    """Embeds lists of texts, from any thread; a context manager.

    It can be pickled, as Ray, Spark and Dask do with the functions that they distribute: each
    process opens its own connections with its first list.

    Args:
        url: Base URL of the server.
        options: Options of every request: ``model``, and ``input_type``, ``truncate``,
            ``dimensions`` and ``embedding_type`` if necessary, as in `EmbedOptions`.
        server: The server, if more than its URL must be given; takes precedence over `url`.

    Raises:
        TypeError: an option is unknown.
        ValueError: the embedding type is unknown.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, server: Server | None = None, **options: Any
    ) -> None:
        self._server = server or Server(url)
        self._options = options
        EmbedOptions(**options)
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AsyncClient | None = None
        self._pid = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"_server": self._server, "_options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def embed(self, inputs: Sequence[str]) -> NDArray[Any]:
        """Return the vectors of a list of any length; see `AsyncClient.embed`."""
        if os.getpid() != self._pid:
            # After a fork, the thread of the event loop exists only in the parent.
            self._reset()
        with self._lock:
            if self._loop is None:
                self._start()
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(self._embed(inputs), self._loop)
        try:
            return future.result()
        finally:
            # Ctrl-C interrupts this thread only.
            future.cancel()

    async def _embed(self, inputs: Sequence[str]) -> NDArray[Any]:
        if self._client is None:
            self._client = AsyncClient(server=self._server, **self._options)
        return await self._client.embed(inputs)

    def _start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="triton-embed-client", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Close all connections; the next list opens new ones.

        Lists that other threads are embedding end with ``concurrent.futures.CancelledError``.
        """
        with self._lock:
            loop, thread, client = self._loop, self._thread, self._client
            self._loop = self._thread = self._client = None
        if loop is None or thread is None or os.getpid() != self._pid:
            return
        asyncio.run_coroutine_threadsafe(_end(client), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(client: AsyncClient | None) -> None:
    """Cancel the other tasks of this event loop, and close the client."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if client is not None:
        await client.close()
