"""Runs an exported model on the parity images: each alone, and all in one batch."""

from __future__ import annotations

from collections.abc import Callable

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
    encoder: Encoder, tokenizer: Tokenizer
) -> Callable[[onnxruntime.InferenceSession, ModelSpec], AloneAndBatched]:
    """Return a function that embeds the parity images with their texts.

    Args:
        encoder: The encoder.
        tokenizer: The served tokenizer.
    """

    def embed(vision: onnxruntime.InferenceSession, spec: ModelSpec) -> AloneAndBatched:
        assert spec.image
        pairs = parity_pairs(spec.image.size)
        options = Options(input_type=InputType.PASSAGE)
        images = ImageSequences(tokenizer, spec)
        rows, features = [], []
        # The same image follows itself with another text.
        tiles = {data: decode(data, spec.image) for data, _ in pairs}
        tower = {data: _run(vision, tensors.FEATURES, each) for data, each in tiles.items()}
        for data, text in pairs:
            ids = tokenizer.encode(images.separator + text).ids
            grid = spec.image.token_grid(read_image_file(data))
            rows.append(images.join((grid.rows, grid.columns), ids, options)[0])
            features.append(tower[data].reshape(-1, spec.feature_size))
        alone = [encoder.embed([[row]], [each]) for row, each in zip(rows, features, strict=True)]
        batch = _run(vision, tensors.FEATURES, np.concatenate(list(tiles.values())))
        ends = np.cumsum(list(map(len, tiles.values())))[:-1]
        joined = dict(zip(tiles, np.split(batch, ends), strict=True))
        requests, mixed = [], []
        for (data, _), row, sentence in zip(pairs, rows, SENTENCES, strict=False):
            requests += [[row], [tokenizer.encode(sentence).ids]]
            mixed += [joined[data].reshape(-1, spec.feature_size), encoder.no_image]
        return np.concatenate(alone), encoder.embed(requests, mixed)[::2]

    return embed


def _run(
    vision: onnxruntime.InferenceSession, output: str, pixels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    result: NDArray[np.float32] = vision.run([output], {tensors.PIXELS: pixels})[0]
    return result
