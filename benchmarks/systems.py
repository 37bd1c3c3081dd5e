"""Libraries that embed in this process: the limit, and other systems for comparison."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel

from triton_embed.contract.pipelines import ENCODER, TOKENIZER
from triton_embed.repository.layout import step_file

MAX_TOKENS = 256
"""Token limit of the benchmarked models; longer texts are truncated."""


def _tokenizer(file: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


class PackedOnnxRuntime:
    """The exported encoder in this process, on all cores: the limit that a server can reach.

    Args:
        repository: The model repository.
        name: The model's name in it.
    """

    def __init__(self, repository: Path, name: str) -> None:
        model = step_file(repository, name, ENCODER)
        self._tokenizer = _tokenizer(step_file(repository, name, TOKENIZER))
        options = onnxruntime.SessionOptions()
        # Like the server, see `backends.onnxruntime.session`.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of `texts`."""
        return [item.ids for item in self._tokenizer.encode_batch(list(texts))]

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Embed token ids, all in one call; the graph sorts and groups them."""
        lengths = np.array([[len(row) for row in rows]], np.int32).T
        flat = np.concatenate([np.array(row, np.int32) for row in rows])
        feed = {"token_ids": flat, "length": lengths, "row_width": lengths}
        vectors: NDArray[np.float32] = self._session.run(["embeddings"], feed)[0]
        return vectors

    def embed(self, texts: Sequence[str]) -> None:
        """Embed `texts`."""
        self.run(self.tokenize(texts))


class _Padded(nn.Module):
    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        self.transformer = AutoModel.from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="sdpa"
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.transformer(input_ids=input_ids, attention_mask=attention_mask)[0]
        weights = attention_mask[:, :, None].to(states.dtype)
        return nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)


class PaddedOnnxRuntime:
    """The plain ONNX export of the checkpoint in this process: every batch padded to its longest.

    Args:
        checkpoint: The checkpoint; it pools by the mean.
        folder: Folder for the ONNX file.
    """

    def __init__(self, checkpoint: Path, folder: Path) -> None:
        self._tokenizer = _tokenizer(checkpoint / "tokenizer.json")
        self._tokenizer.enable_padding()
        path = folder / "padded.onnx"
        # With padding: otherwise transformers would omit the mask from the graph.
        mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
        sizes = {0: torch.export.Dim("items"), 1: torch.export.Dim("longest")}
        logging.getLogger("torch.onnx._internal.exporter").setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Padded(checkpoint).eval(),
                (torch.full_like(mask, 7), mask),
                path,
                input_names=["input_ids", "attention_mask"],
                dynamic_shapes=(sizes, sizes),
                dynamo=True,
                verbose=False,
            )
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> None:
        """Embed `texts` as one batch."""
        encodings = self._tokenizer.encode_batch(list(texts))
        feed = {
            "input_ids": np.array([item.ids for item in encodings], np.int64),
            "attention_mask": np.array([item.attention_mask for item in encodings], np.int64),
        }
        self._session.run(None, feed)


class SentenceTransformers:
    """sentence-transformers in this process; it sorts by length and pads batches of 32."""

    def __init__(self, checkpoint: Path) -> None:
        self._model = SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)
        self._model.max_seq_length = MAX_TOKENS

    def embed(self, texts: Sequence[str]) -> None:
        """Embed `texts`."""
        self._model.encode(list(texts), batch_size=32, show_progress_bar=False)
