"""What is compared: the same texts through each way of embedding them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import onnxruntime
import tritonclient.grpc as triton
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from benchmarks.server import MODEL_ID
from contract.names import triton_model_name

Embed = Callable[[Sequence[str]], None]
"""Embeds some texts and waits for the vectors."""

NAME = triton_model_name(MODEL_ID)


class OnnxRuntime:
    """The exported encoder in this process, on all cores: the limit that a server can reach.

    Args:
        repository: The model repository with the default model.
    """

    def __init__(self, repository: Path) -> None:
        self.tokenizer = Tokenizer.from_file(
            str(repository / f"{NAME}_tokenizer" / "1" / "tokenizer.json")
        )
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        model = repository / f"{NAME}_encoder" / "1" / "model.onnx"
        self._session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of `texts`."""
        return [item.ids for item in self.tokenizer.encode_batch(list(texts))]

    def run(self, rows: Sequence[Sequence[int]]) -> None:
        """Embed token ids, all in one call; the graph sorts and groups them."""
        lengths = np.array([[len(row) for row in rows]], np.int32).T
        flat = np.concatenate([np.array(row, np.int32) for row in rows])
        feed = {"token_ids": flat, "length": lengths, "row_width": lengths}
        self._session.run(["embeddings"], feed)

    def embed(self, texts: Sequence[str]) -> None:
        """Embed `texts`."""
        self.run(self.tokenize(texts))


class SentenceTransformers:
    """sentence-transformers in this process; it sorts by length and pads batches of 32."""

    def __init__(self, checkpoint: Path) -> None:
        self._model = SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)

    def embed(self, texts: Sequence[str]) -> None:
        """Embed `texts`."""
        self._model.encode(list(texts), batch_size=32, show_progress_bar=False)


def grpc_client(url: str) -> Embed:
    """Return a client of Triton itself."""
    client = triton.InferenceServerClient(url)

    def embed(texts: Sequence[str]) -> None:
        tensor = triton.InferInput("text", [len(texts), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
        client.infer(NAME, [tensor], parameters={"truncate": "END"}).as_numpy("embeddings")

    return embed


def http_client(url: str, encoding_format: str) -> Embed:
    """Return a client of the gateway that keeps its connection and does not parse the vectors.

    Parsing is left out because it is the client's own time, on cores that both share here.
    """
    address = urlsplit(url)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port)
    headers = {"Content-Type": "application/json"}
    options = {"model": MODEL_ID, "truncate": "END", "encoding_format": encoding_format}

    def embed(texts: Sequence[str]) -> None:
        body = json.dumps({**options, "input": texts})
        connection.request("POST", "/v1/embeddings", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(content.decode())

    return embed
