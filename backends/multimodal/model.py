"""Triton backend ``multimodal``: the entry of a model that takes texts and images.

It passes each input to the steps that it needs. The texts of a request go through the ensemble for
texts together, and its images through the image tower.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triton_embed.backends.adapter import error_response, model_spec, request_options
from triton_embed.backends.multimodal.decoder import Decoder
from triton_embed.backends.multimodal.image_steps import DualSteps, FusedSteps, Prepared
from triton_embed.backends.multimodal.inputs import read_inputs
from triton_embed.backends.multimodal.prefetch import prefetched
from triton_embed.backends.multimodal.steps import Embedded, StepFailed, infer
from triton_embed.backends.postprocess.conversion import convert
from triton_embed.contract import tensors
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_file import ImageFileError
from triton_embed.contract.image_input import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, ImageInput
from triton_embed.contract.options import EmbeddingType, InputType, Modality, Options
from triton_embed.contract.pipeline import Role
from triton_embed.contract.pipelines import DUAL, ROUTER

MAX_FEATURE_BYTES = 32 << 20
"""Maximum bytes of the features in one request to the image tower, unless a single image has more.
They pass through /dev/shm twice, to and from the router, and each router has its own."""


class Abandoned(Exception):
    """The vectors of a request's images are no longer needed."""


class TritonPythonModel:
    """One instance of the entry."""

    @staticmethod
    def auto_complete_config(config: pb_utils.ModelConfig) -> pb_utils.ModelConfig:
        """Return the configuration as the export wrote it."""
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Read the model spec from the configuration and prepare the decoder."""
        self._spec = model_spec(args)
        assert self._spec.image
        name = ROUTER.entry_name(args["model_name"])
        steps = FusedSteps if self._spec.image_tokens else DualSteps
        self._image_steps = steps(name, self._spec)
        self._text_model = DUAL.declaration(Role.DIRECT).triton_name(name)
        self._decoder = Decoder(self._spec.image, MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS)
        # Calls of steps wait in threads of the event loop's pool.
        self._decoding = ThreadPoolExecutor(1)

    def finalize(self) -> None:
        """End the decoder."""
        self._decoder.close()

    async def execute(
        self, requests: list[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """Embed each request separately; an invalid one fails alone."""
        return await asyncio.gather(*map(self._respond, requests))

    async def _respond(self, request: pb_utils.InferenceRequest) -> pb_utils.InferenceResponse:
        try:
            options = request_options(request)
            modalities = pb_utils.get_input_tensor_by_name(request, tensors.MODALITY)
            items = read_inputs(
                _column(pb_utils.get_input_tensor_by_name(request, tensors.TEXT)),
                None if modalities is None else _column(modalities),
                options,
                self._spec,
            )
            only_images = all(isinstance(item, ImageInput) for item in items)
            options = self._spec.validated_options(
                options, InputType.PASSAGE if only_images else None
            )
            embedded = await self._embed(items, options, request.is_cancelled)
            counts, vectors = zip(*embedded, strict=True)
            converted = convert(np.stack(vectors), options, self._spec)
        except InvalidRequest as error:
            return error_response(error)
        except StepFailed as error:
            unavailable = pb_utils.TritonError(str(error), pb_utils.TritonError.UNAVAILABLE)
            return pb_utils.InferenceResponse(error=unavailable)
        except Abandoned:
            canceled = pb_utils.TritonError("canceled", pb_utils.TritonError.CANCELLED)
            return pb_utils.InferenceResponse(error=canceled)
        results = {
            tensors.TOKEN_COUNT: np.array(counts, np.int32)[:, None],
            tensors.EMBEDDINGS: np.ascontiguousarray(converted),
        }
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, results[name]) for name in request.requested_output_names()]
        )

    async def _embed(
        self,
        items: Sequence[bytes | ImageInput],
        options: Options,
        is_canceled: Callable[[], bool],
    ) -> list[Embedded]:
        """Embed the inputs of a request, in order.

        Raises:
            InvalidRequest: an input is invalid; if there are several, with its index.
            StepFailed: a step could not respond.
            Abandoned: the client has canceled the request.
        """
        texts = {place: item for place, item in enumerate(items) if isinstance(item, bytes)}
        images = {place: item for place, item in enumerate(items) if isinstance(item, ImageInput)}
        embedding_texts = asyncio.ensure_future(self._embed_texts(list(texts.values()), options))

        def has_failed() -> bool:
            return embedding_texts.done() and embedding_texts.exception() is not None

        parts = await asyncio.gather(
            embedding_texts,
            self._embed_images(list(images.values()), options, has_failed, is_canceled),
            return_exceptions=True,
        )
        results: dict[int, Embedded] = {}
        for places, part in zip((list(texts), list(images)), parts, strict=True):
            if isinstance(part, InvalidRequest) and len(items) > 1:
                index = part.index or 0
                raise part.with_index(places[index] - index, len(places))
            if isinstance(part, BaseException):
                raise part
            results.update(zip(places, part, strict=True))
        return [results[place] for place in range(len(items))]

    async def _embed_texts(self, texts: Sequence[bytes], options: Options) -> list[Embedded]:
        if not texts:
            return []
        plain = replace(
            options, dimensions=None, embedding_type=EmbeddingType.FLOAT, modality=Modality.TEXT
        )
        counts, vectors = await infer(
            self._text_model,
            {tensors.TEXT: np.array(texts, np.object_)[:, None]},
            (tensors.TOKEN_COUNT, tensors.EMBEDDINGS),
            plain,
        )
        return list(zip(counts.reshape(-1).tolist(), vectors, strict=True))

    async def _embed_images(
        self,
        images: Sequence[ImageInput],
        options: Options,
        has_failed: Callable[[], bool],
        is_canceled: Callable[[], bool],
    ) -> list[Embedded]:
        """Embed images, in order; while the steps embed some, the next are decoded.

        Args:
            images: The images.
            options: The options of the request.
            has_failed: Returns whether another input was rejected.
            is_canceled: Returns whether the client has canceled the request. It takes a message to
                Triton, so that it is called once for the images that go to the tower together.

        Raises:
            InvalidRequest: an image is invalid; if there are several, with its index.
            StepFailed: a step could not respond.
            Abandoned: the result is no longer needed.
        """
        decode = partial(self._decode, has_failed)

        async def prepare(start: int, stop: int) -> Prepared:
            if is_canceled():
                raise Abandoned
            try:
                return await self._image_steps.prepare(images[start:stop], decode, options)
            except InvalidRequest as error:
                if len(images) == 1:
                    raise
                raise error.with_index(start, stop - start) from None

        results: list[Embedded] = []
        chunks = [partial(prepare, start, stop) for start, stop in self._chunks(images)]
        async with aclosing(prefetched(chunks)) as preparing:
            async for prepared in preparing:
                results += await self._image_steps.embed(prepared)
        return results

    def _chunks(self, images: Sequence[ImageInput]) -> Iterator[tuple[int, int]]:
        """Yield the start and stop of consecutive images that go to the image tower together."""
        assert self._spec.image
        limit = self._spec.image.max_batch_tiles
        if self._spec.image_tokens:
            tile_bytes = self._spec.tokens_per_tile * self._spec.feature_size * 4
            limit = min(limit, MAX_FEATURE_BYTES // tile_bytes)
        start = tiles = 0
        for index, image in enumerate(images):
            count = self._spec.image.tiles(image.file)
            if tiles + count > limit and index > start:
                yield start, index
                start, tiles = index, 0
            tiles += count
        if images:
            yield start, len(images)

    async def _decode(
        self, has_failed: Callable[[], bool], images: Sequence[ImageInput]
    ) -> list[NDArray[np.uint8]]:
        """Return the tiles of each image.

        Raises:
            InvalidRequest: an image is truncated or corrupt; if there are several, with its index.
            Abandoned: the result is no longer needed.
        """
        # One call for all images: each call would take CPU time from the image tower.
        decode = partial(self._decode_all, has_failed, images)
        return await asyncio.get_running_loop().run_in_executor(self._decoding, decode)

    def _decode_all(
        self, has_failed: Callable[[], bool], images: Sequence[ImageInput]
    ) -> list[NDArray[np.uint8]]:
        tiles: list[NDArray[np.uint8]] = []
        for index, image in enumerate(images):
            if has_failed():
                raise Abandoned
            try:
                tiles.append(self._decoder.decode(image.data))
            except ImageFileError as error:
                message = f"'input': the image {error}"
                place = index if len(images) > 1 else None
                raise InvalidRequest(message, param="input", index=place) from None
        return tiles


def _column(tensor: pb_utils.Tensor) -> list[bytes]:
    items: list[bytes] = tensor.as_numpy().reshape(-1).tolist()
    return items
