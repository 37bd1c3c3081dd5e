"""The asynchronous client."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from triton_embed.client.connection import Connection, Server
from triton_embed.client.cutting import TokenEstimator
from triton_embed.client.options import EmbedOptions
from triton_embed.client.sender import Sender


class AsyncClient:
    """Embeds lists of texts, in an event loop; an asynchronous context manager.

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
        self._connection = Connection(server or Server(url))
        self._sender = Sender(self._connection, EmbedOptions(**options), TokenEstimator())

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def embed(self, inputs: Sequence[str]) -> NDArray[Any]:
        """Return the vectors of a list of any length.

        Lists that are embedded at the same time share the limit of requests in flight.

        Args:
            inputs: Texts, or images as data URLs if the model takes images.

        Returns:
            Vectors [inputs, width] in input order: float32, or int8 or uint8 by embedding type.

        Raises:
            RequestRejected: the server rejects an input or an option.
            ServerUnavailable: it does not respond within `Server.retry_seconds`.
            InvalidResponse: a response is not one of ``/v1/embeddings``.
        """
        return (await self._sender.embed(inputs)).vectors
