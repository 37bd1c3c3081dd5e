"""The steps that images pass through, for each kind of model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Prepared:
    """Images in the form that the steps take.

    Attributes:
        inputs: The inputs of the image tower.
        tiles: The number of tiles of each image.
        rows: The token ids of each image and its text, int32 [length]; empty if the model is dual.
    """

    inputs: dict[str, NDArray[np.generic]]
    tiles: Sequence[int]
    rows: Sequence[NDArray[np.int32]] = ()


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

    async def prepare(
        self, images: Sequence[ImageInput], decode: Decode, options: Options
    ) -> Prepared:
        """Decode images, to one tile each.

        Raises:
            InvalidRequest: an image is invalid; with its index.
        """
        pixels = np.concatenate(await decode(images))
        return Prepared({tensors.PIXELS: pixels}, [1] * len(images))

    async def embed(self, images: Prepared) -> list[Embedded]:
        """Embed images.

        Raises:
            StepFailed: a step could not respond.
        """
        (vectors,) = await infer(self._vision, images.inputs, (tensors.EMBEDDINGS,))
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

    async def prepare(
        self, images: Sequence[ImageInput], decode: Decode, options: Options
    ) -> Prepared:
        """Tokenize the text that follows each image, and decode the images.

        Raises:
            InvalidRequest: an input is invalid; with its index.
            StepFailed: a step could not respond.
        """
        # An input over the token limit is rejected before the expensive steps.
        rows = await self._tokenize(images, options)
        tiles = await decode(images)
        inputs: dict[str, NDArray[np.generic]] = {tensors.PIXELS: np.concatenate(tiles)}
        if self._image.resize is Resize.FIT:
            grids = (self._image.token_grid(image.file) for image in images)
            positions = [position for grid in grids for position in tile_positions(grid)]
            inputs[tensors.TILE_POSITION] = np.array(positions, np.int32)
        return Prepared(inputs, list(map(len, tiles)), rows)

    async def embed(self, images: Prepared) -> list[Embedded]:
        """Embed images, with the text that follows each.

        Raises:
            StepFailed: a step could not respond.
        """
        (features,) = await infer(self._vision, images.inputs, (tensors.FEATURES,))
        per_image = np.split(features, np.cumsum(images.tiles)[:-1])
        vectors = await asyncio.gather(*map(self._encode, images.rows, per_image))
        return list(zip(map(len, images.rows), vectors, strict=True))

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
