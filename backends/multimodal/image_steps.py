"""The steps that images pass through, for each kind of model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from triton_embed.backends.multimodal.steps import Embedded, infer
from triton_embed.contract import tensors
from triton_embed.contract.fitting import tile_positions
from triton_embed.contract.image_input import ImageInput
from triton_embed.contract.image_spec import Resize
from triton_embed.contract.options import EmbeddingType, InputType, Options
from triton_embed.contract.pipelines import ENCODER, TOKENIZER, VISION
from triton_embed.contract.spec import ModelSpec

Decode = Callable[[Sequence[ImageInput]], Awaitable[list[NDArray[np.uint8]]]]
"""Returns the tiles of each image, uint8 [tiles, 3, size, size]."""


class DualSteps:
    """The image tower, whose vectors are the result.

    Args:
        model: Triton's name of the model's entry.
        spec: The model's spec.
    """

    def __init__(self, model: str, spec: ModelSpec) -> None:
        assert spec.image
        self._vision = VISION.triton_name(model)
        self._tokens = spec.image.tokens_per_tile

    async def embed(
        self, images: Sequence[ImageInput], decode: Decode, options: Options
    ) -> list[Embedded]:
        """Embed images, one tile each.

        Raises:
            InvalidRequest: an image is invalid; with its index.
            StepFailed: a step could not respond.
        """
        pixels = np.concatenate(await decode(images))
        (vectors,) = await infer(self._vision, {tensors.PIXELS: pixels}, (tensors.EMBEDDINGS,))
        return [(self._tokens, vector) for vector in vectors]


class FusedSteps:
    """The image tower, whose features the language model reads with the text.

    Args:
        model: Triton's name of the model's entry.
        spec: The model's spec.
    """

    def __init__(self, model: str, spec: ModelSpec) -> None:
        assert spec.image
        self._vision = VISION.triton_name(model)
        self._tokenizer = TOKENIZER.triton_name(model)
        self._encoder = ENCODER.triton_name(model)
        self._image = spec.image

    async def embed(
        self, images: Sequence[ImageInput], decode: Decode, options: Options
    ) -> list[Embedded]:
        """Embed images, with the text that follows each.

        Raises:
            InvalidRequest: an input is invalid; with its index.
            StepFailed: a step could not respond.
        """
        # An input over the token limit is rejected before the expensive steps.
        rows = await self._tokenize(images, options)
        tiles = await decode(images)
        pixels: dict[str, NDArray[np.generic]] = {tensors.PIXELS: np.concatenate(tiles)}
        if self._image.resize is Resize.FIT:
            grids = (self._image.token_grid(image.file) for image in images)
            positions = [position for grid in grids for position in tile_positions(grid)]
            pixels[tensors.TILE_POSITION] = np.array(positions, np.int32)
        (features,) = await infer(self._vision, pixels, (tensors.FEATURES,))
        ends = np.cumsum(list(map(len, tiles)))
        per_image = np.split(features, ends[:-1])
        vectors = await asyncio.gather(*map(self._encode, rows, per_image))
        return list(zip(map(len, rows), vectors, strict=True))

    async def _tokenize(
        self, images: Sequence[ImageInput], options: Options
    ) -> list[NDArray[np.int32]]:
        """Return the token ids of each input, int32 [length]."""
        texts = [image.text.encode() for image in images]
        grids = [self._image.token_grid(image.file) for image in images]
        inputs: dict[str, NDArray[np.generic]] = {
            tensors.TEXT: np.array(texts, np.object_)[:, None],
            tensors.IMAGE_GRID: np.array([(each.rows, each.columns) for each in grids], np.int32),
        }
        token_ids, lengths = await infer(
            self._tokenizer,
            inputs,
            (tensors.TOKEN_IDS, tensors.LENGTH),
            replace(
                options,
                input_type=InputType.PASSAGE,
                dimensions=None,
                embedding_type=EmbeddingType.FLOAT,
            ),
        )
        return [row[:length] for row, length in zip(token_ids, lengths.flat, strict=True)]

    async def _encode(
        self, row: NDArray[np.int32], features: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the vector of one input, float32 [dimension].

        Each input is a request of its own, because the inputs of a request are padded to the
        longest. Triton joins the requests.

        Args:
            row: Its token ids, int32 [length].
            features: Its features, float32 [tiles, rows, width].
        """
        (vectors,) = await infer(
            self._encoder,
            {
                tensors.TOKEN_IDS: row[None],
                tensors.LENGTH: np.array([[len(row)]], np.int32),
                tensors.FEATURES: features.reshape(1, -1, features.shape[-1]),
            },
            (tensors.EMBEDDINGS,),
        )
        return vectors[0]
