"""Runs an exported model on the parity images: each alone, and all in one batch."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from triton_embed.backends.multimodal.tiles import decode
from triton_embed.backends.tokenizer.image_sequences import ImageSequences
from triton_embed.contract import tensors
from triton_embed.contract.image_file import read_image_file
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
    pairs = parity_pairs(spec.image.size)
    images = ImageSequences(tokenizer, spec)
    rows = []
    for data, text in pairs:
        ids = tokenizer.encode(images.separator + text).ids
        grid = spec.image.token_grid(read_image_file(data))
        options = Options(input_type=InputType.PASSAGE)
        rows.append(images.join((grid.rows, grid.columns), ids, options)[0])
    tiles = {data: decode(data, spec.image) for data, _ in pairs}
    width = spec.feature_size
    features = {
        data: _run(vision, tensors.FEATURES, each).reshape(-1, width)
        for data, each in tiles.items()
    }
    alone = [
        encoder.embed([[row]], [features[data]]) for row, (data, _) in zip(rows, pairs, strict=True)
    ]
    batch = _run(vision, tensors.FEATURES, np.concatenate(list(tiles.values())))
    parts = np.split(batch, np.cumsum(list(map(len, tiles.values())))[:-1])
    joined = {data: each.reshape(-1, width) for data, each in zip(tiles, parts, strict=True)}
    requests, mixed = [], []
    for row, (data, _), sentence in zip(rows, pairs, SENTENCES, strict=False):
        requests += [[row], [tokenizer.encode(sentence).ids]]
        mixed += [joined[data], encoder.no_image]
    return np.concatenate(alone), encoder.embed(requests, mixed)[::2]


def _run(
    vision: onnxruntime.InferenceSession, output: str, pixels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    result: NDArray[np.float32] = vision.run([output], {tensors.PIXELS: pixels})[0]
    return result
