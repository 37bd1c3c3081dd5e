"""Hugging Face's Text Embeddings Inference (TEI) with its ONNX Runtime backend, for comparison.

Build ``text-embeddings-router`` with TEI's own instructions and the feature ``ort``, and pass
``--tei PATH_OF_THE_PROGRAM``.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from transformers import AutoModel

from benchmarks import programs
from benchmarks.peers import Peer
from benchmarks.server import MODEL_ID
from testing.ports import free_ports

FLAGS = ("--max-client-batch-size", "2048", "--payload-limit", "20000000")
"""Longer lists than TEI accepts by default; its other defaults are unchanged."""


@contextmanager
def running(command: str, checkpoint: Path) -> Iterator[Peer]:
    """Serve `checkpoint` with TEI while in the block, as the model `MODEL_ID`.

    Args:
        command: The program ``text-embeddings-router``.
        checkpoint: A folder in the format of sentence-transformers; it pools by the mean.

    Raises:
        SystemExit: The program cannot be started, or is not ready in time.
    """
    port, prometheus_port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="triton-embed-tei-") as folder:
        for path in checkpoint.iterdir():
            (Path(folder) / path.name).symlink_to(path)
        export_plain(checkpoint, Path(folder) / "model.onnx")
        arguments = [
            *("--model-id", folder, "--served-model-name", MODEL_ID, "--pooling", "mean"),
            *("--hostname", "127.0.0.1", "--port", str(port)),
            *("--prometheus-port", str(prometheus_port), *FLAGS),
        ]
        environment = {"RUST_LOG": "warn", "HF_HUB_OFFLINE": "1"}
        description = f"{programs.version(command)} {' '.join(FLAGS)}"
        with programs.running("TEI", [command, *arguments], f"{url}/health", environment):
            yield Peer("TEI", f"{url}/v1", MODEL_ID, description=description)


class _Plain(nn.Module):
    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        self.transformer = AutoModel.from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="sdpa"
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states: Tensor = self.transformer(input_ids=input_ids, attention_mask=attention_mask)[0]
        return states


def export_plain(checkpoint: Path, path: Path) -> None:
    """Write the usual ONNX export of a checkpoint's transformer: padded batches, all states."""
    # With padding: otherwise transformers would omit the mask from the graph.
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    sizes = {0: torch.export.Dim("items"), 1: torch.export.Dim("longest")}
    logging.getLogger("torch.onnx._internal.exporter").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Plain(checkpoint).eval(),
            (torch.full_like(mask, 7), mask),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["last_hidden_state"],
            dynamic_shapes=(sizes, sizes),
            dynamo=True,
            verbose=False,
        )
