"""Runs an exported model on the parity images: each alone, and all in one batch."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from triton_embed.backends.multimodal.tiles import decode
from triton_embed.backends.tokenizer.image_sequences import ImageSequences
from triton_embed.contract import tensors
from triton_embed.contract.fitting import tile_positions
from triton_embed.contract.image_file import read_image_file
from triton_embed.contract.image_spec import Resize
from triton_embed.contract.options import InputType, Options
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.parity.encoder import Encoder
from triton_embed.export.parity.images import parity_images, parity_pairs
from triton_embed.export.parity.metrics import Vectors
from triton_embed.export.parity.texts import SENTENCES

AloneAndBatched = tuple[Vectors, Vectors]


def embed_images(vision: onnxruntime.InferenceSession, spec: ModelSpec) -> AloneAndBatched:
    """Return the vectors of the parity images from a tower of their own."""
    assert spec.image
    tiles = [decode(data, spec.image) for data in parity_images()]
    alone = [_run(vision, tensors.EMBEDDINGS, each) for each in tiles]
    return np.concatenate(alone), _run(vision, tensors.EMBEDDINGS, np.concatenate(tiles))


def embed_pairs(
    vision: onnxruntime.InferenceSession, encoder: Encoder, tokenizer: Tokenizer, spec: ModelSpec
) -> AloneAndBatched:
    """Return the vectors of the parity images with their texts; the batch has texts between them.

    Args:
        vision: The image tower.
        encoder: The encoder.
        tokenizer: The served tokenizer.
        spec: The model's spec.
    """
    assert spec.image
    pairs = parity_pairs(spec.image)
    images = ImageSequences(tokenizer, spec)
    grids = {data: spec.image.token_grid(read_image_file(data)) for data, _ in pairs}
    rows = []
    for data, text in pairs:
        ids = tokenizer.encode(images.separator + text).ids
        grid = (grids[data].rows, grids[data].columns)
        rows.append(images.join(grid, ids, Options(input_type=InputType.PASSAGE))[0])
    tiles = {data: decode(data, spec.image) for data in grids}
    positions = {
        data: np.array(tile_positions(grid), np.int32) if spec.image.resize is Resize.FIT else None
        for data, grid in grids.items()
    }
    width = spec.feature_size
    features = {
        data: _run(vision, tensors.FEATURES, each, positions[data]).reshape(-1, width)
        for data, each in tiles.items()
    }
    alone = [
        encoder.embed([[row]], [features[data]]) for row, (data, _) in zip(rows, pairs, strict=True)
    ]
    joined_positions = [each for each in positions.values() if each is not None]
    batch = _run(
        vision,
        tensors.FEATURES,
        np.concatenate(list(tiles.values())),
        np.concatenate(joined_positions) if joined_positions else None,
    )
    parts = np.split(batch, np.cumsum(list(map(len, tiles.values())))[:-1])
    joined = {data: each.reshape(-1, width) for data, each in zip(tiles, parts, strict=True)}
    requests, mixed = [], []
    for row, (data, _), sentence in zip(rows, pairs, SENTENCES, strict=False):
        requests += [[row], [tokenizer.encode(sentence).ids]]
        mixed += [joined[data], encoder.no_image]
    return np.concatenate(alone), encoder.embed(requests, mixed)[::2]


def _run(
    vision: onnxruntime.InferenceSession,
    output: str,
    pixels: NDArray[np.uint8],
    positions: NDArray[np.int32] | None = None,
) -> NDArray[np.float32]:
    feed: dict[str, NDArray[np.generic]] = {tensors.PIXELS: pixels}
    if positions is not None:
        feed[tensors.TILE_POSITION] = positions
    result: NDArray[np.float32] = vision.run([output], feed)[0]
    return result
