"""Systems that embed in this process: the exported encoder, and sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from benchmarks.checkpoints import DEFAULT_MAX_TOKENS
from triton_embed.backends.onnxruntime.session import open_session
from triton_embed.contract.pipelines import ENCODER, TOKENIZER
from triton_embed.repository.layout import step_file


class PackedOnnxRuntime:
    """The exported encoder in this process.

    Args:
        repository: The model repository.
        name: The model's name in it.
        max_tokens: Token limit of the model; longer texts are truncated.
        threads: Threads of an execution; 0 for one on each core.
    """

    def __init__(
        self, repository: Path, name: str, max_tokens: int = DEFAULT_MAX_TOKENS, threads: int = 0
    ) -> None:
        self._tokenizer = Tokenizer.from_file(str(step_file(repository, name, TOKENIZER)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        # The options of the server.
        self._session = open_session(
            step_file(repository, name, ENCODER), {"intra_op_thread_count": str(threads)}
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


class SentenceTransformers:
    """sentence-transformers in this process; it sorts by length and pads batches of 32.

    Args:
        checkpoint: The checkpoint's folder.
        max_tokens: Token limit of the model; longer texts are truncated.
    """

    def __init__(self, checkpoint: Path, max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
        self._model = SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)
        self._model.max_seq_length = max_tokens

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`."""
        return self._model.encode(list(texts), batch_size=32, show_progress_bar=False)

    def embed(self, texts: Sequence[str]) -> None:
        """Embed `texts`."""
        self.vectors(texts)
