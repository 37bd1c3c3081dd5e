"""A client of the embeddings API for lists of any length: texts in, one NumPy array out.

It cuts lists into requests of similar texts, keeps as many requests in flight as the server can
take, retries, and restores the order. It works with any server that has OpenAI's
``/v1/embeddings``.
"""

from triton_embed.client.async_client import AsyncClient
from triton_embed.client.client import Client
from triton_embed.client.errors import (
    ClientError,
    InvalidResponse,
    RequestRejected,
    ServerFailed,
    ServerUnavailable,
)
from triton_embed.client.options import EmbedOptions

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "EmbedOptions",
    "InvalidResponse",
    "RequestRejected",
    "ServerFailed",
    "ServerUnavailable",
]
