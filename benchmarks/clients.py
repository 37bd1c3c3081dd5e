"""Clients of the service that use little CPU time, because they share its cores."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import numpy as np
import tritonclient.grpc as triton

from triton_embed.contract.naming import triton_model_name
from triton_embed.contract.tensors import EMBEDDINGS, TEXT

Embed = Callable[[Sequence[str]], None]
"""Embeds texts and returns when the vectors have arrived."""


def grpc_client(address: str, model_id: str) -> Embed:
    """Return a client of Triton's gRPC API at ``HOST:PORT``."""
    client = triton.InferenceServerClient(address)
    name = triton_model_name(model_id)

    def embed(texts: Sequence[str]) -> None:
        tensor = triton.InferInput(TEXT, [len(texts), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
        client.infer(name, [tensor], parameters={"truncate": "END"}).as_numpy(EMBEDDINGS)

    return embed


def http_client(url: str, model_id: str, **options: str) -> Embed:
    """Return a client of ``POST url`` with one persistent connection.

    It reads the status and the content length, and does not parse the vectors.

    Args:
        url: Address of the endpoint, path included.
        model_id: The model to request.
        options: Further fields of the request.

    Raises:
        RuntimeError: On a request: the response is not 200, or the connection was closed.
    """
    address = urlsplit(url)
    assert address.hostname and address.port
    connection = socket.create_connection((address.hostname, address.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    responses = connection.makefile("rb")
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )

    def embed(texts: Sequence[str]) -> None:
        body = json.dumps({"model": model_id, **options, "input": texts}).encode()
        connection.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
        status = responses.readline()
        length = 0
        while (header := responses.readline()) not in (b"\r\n", b""):
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        content = responses.read(length)
        if b" 200 " not in status:
            raise RuntimeError(content.decode() or "the server closed the connection")

    return embed


def base64_client(url: str, model_id: str) -> Embed:
    """Return a client of the gateway at `url` that requests base64, and truncates long texts."""
    return http_client(f"{url}/v1/embeddings", model_id, truncate="END", encoding_format="base64")
