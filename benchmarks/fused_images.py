"""Images a second of a model whose language model reads images, over HTTP and without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.checkouts import THIS
from benchmarks.image_rates import bodies, print_rates, sending
from testing.images import data_url, encoded, picture
from testing.nemotron_vl_checkpoint import LANGUAGE, VISION, nemotron_vl_checkpoint
from testing.server import RunningServer
from triton_embed.backends.multimodal.tiles import decode
from triton_embed.contract import pipelines, tensors
from triton_embed.contract.image_file import read_image_file
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.parity.feed import ragged_batch
from triton_embed.repository import layout, scanner

MODEL = "fused"

SIZE = 224

TOWER = {
    **VISION,
    "hidden_size": 1152,
    "num_hidden_layers": 3,
    "num_attention_heads": 16,
    "intermediate_size": 4304,
    "image_size": SIZE,
}
"""The width of the image tower of llama-nemotron-embed-vl-1b-v2, which has 27 layers."""

LANGUAGE_MODEL = {
    **LANGUAGE,
    "hidden_size": 2048,
    "num_hidden_layers": 1,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 8192,
    "max_position_embeddings": 1024,
}
"""The width of its language model, which has 16 layers."""

MIXED, EQUAL = "HTTP, mixed tile counts", "HTTP, equal tile counts"

ALONE = "tower and encoder in ONNX Runtime, mixed tile counts"

GRIDS = {
    MIXED: ((3, 2), (1, 1), (2, 2), (1, 2), (1, 3)),
    EQUAL: ((3, 1),) * 5,
}
"""Columns and rows of images, which with their thumbnails become 20 tiles: 7, 1, 5, 3 and 4, or 4
each."""

REPEATS = 3
"""Times that a round has these images."""

BATCH = 5
"""Images that tower and encoder embed at a time without a server: 20 tiles."""


class Photographs:
    """Images of the given grids, as files, URLs and inputs of the graphs.

    Args:
        spec: The model's spec.
        grids: Columns and rows of the images.
    """

    def __init__(self, spec: ModelSpec, grids: Sequence[tuple[int, int]]) -> None:
        assert spec.image and spec.image_tokens
        files = [
            encoded(picture(columns * SIZE, rows * SIZE, seed), "JPEG", quality=90)
            for seed, (columns, rows) in enumerate(grids)
        ]
        self.urls = [data_url(file, "jpeg") for file in files]
        self.tiles = [decode(file, spec.image) for file in files]
        each = [spec.image.token_grid(read_image_file(file)) for file in files]
        self.rows = [spec.image_tokens.sequence(grid.rows, grid.columns) for grid in each]


class Graphs:
    """The image tower and the encoder in ONNX Runtime, without a server.

    Args:
        repository: The model repository.
    """

    def __init__(self, repository: Path) -> None:
        def session(step: Any) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(str(layout.step_file(repository, MODEL, step)))

        self._tower = session(pipelines.FUSED_VISION)
        self._encoder = session(pipelines.FUSED_ENCODER)

    def embed(self, images: Photographs) -> None:
        """Embed all images."""
        for start in range(0, len(images.tiles), BATCH):
            tiles = images.tiles[start : start + BATCH]
            self._embed(tiles, images.rows[start : start + BATCH])

    def _embed(self, tiles: Sequence[NDArray[np.uint8]], rows: Sequence[Sequence[int]]) -> None:
        pixels = {tensors.PIXELS: np.concatenate(tiles)}
        (features,) = self._tower.run([tensors.FEATURES], pixels)
        per_image = np.split(features, np.cumsum(list(map(len, tiles)))[:-1])
        width = features.shape[-1]
        feed = ragged_batch(
            [[row] for row in rows], [each.reshape(-1, width) for each in per_image]
        )
        self._encoder.run([tensors.EMBEDDINGS], feed)


@contextmanager
def running() -> Iterator[tuple[RunningServer, ModelSpec]]:
    """Serve a Llama-Nemotron VL of the real width, with few layers and random weights."""
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        repository = Path(folder) / "repository"
        checkpoint = nemotron_vl_checkpoint(
            Path(folder) / "checkpoint",
            vision=TOWER,
            language=LANGUAGE_MODEL,
            max_tokens=512,
        )
        THIS.export(checkpoint, repository, MODEL)
        spec = scanner.find(repository, MODEL).spec
        assert spec
        environment = {"TRITON_EMBED_MAX_QUEUE_SECONDS": "60"}
        with RunningServer(repository, environment=environment) as service:
            yield service, spec


def measure(rounds: int) -> None:
    """Print the images a second over HTTP and without a server, of mixed and equal tile counts.

    Args:
        rounds: Number of rounds.
    """
    with running() as (service, spec), sending() as send:
        images = {name: Photographs(spec, grids * REPEATS) for name, grids in GRIDS.items()}
        systems: dict[str, Callable[[], None]] = {
            name: partial(send, service.url, bodies(MODEL, each.urls, 1, input_type="passage"))
            for name, each in images.items()
        }
        systems[ALONE] = partial(Graphs(service.repository).embed, images[MIXED])
        print_rates(systems, [(MIXED, EQUAL), (MIXED, ALONE)], len(images[MIXED].tiles), rounds)
