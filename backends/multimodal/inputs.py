"""The inputs of a request to the entry, divided into texts and images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_file import is_image_file
from triton_embed.contract.image_input import ImageInput, read_image, read_image_input
from triton_embed.contract.inputs import map_inputs
from triton_embed.contract.modality import find_images, infer_modality
from triton_embed.contract.options import Modality, Options, parse_choice
from triton_embed.contract.spec import ModelSpec

Input = bytes | ImageInput
"""A text as received, or an image with the text around it."""


def read_inputs(
    items: Sequence[bytes], modalities: Sequence[bytes] | None, options: Options, spec: ModelSpec
) -> list[Input]:
    """Return the inputs of a request, in order.

    Args:
        items: Each in UTF-8, or an image file; token ids if the options have ``token_ids``.
        modalities: Modality of each, if the request has a tensor of that name.
        options: The request's options.
        spec: The model's spec.

    Raises:
        InvalidRequest: an input has a modality that the model does not support, or its image is
            malformed or too large.
    """
    if options.token_ids:
        return list(items)
    stated = modalities or [b""] * len(items)
    return map_inputs(list(zip(items, stated, strict=True)), partial(_read, options, spec))


def _read(options: Options, spec: ModelSpec, item: tuple[bytes, bytes]) -> Input:
    data, stated = item
    modality = parse_choice(Modality, stated.decode(errors="replace"), param="modality")
    modality = modality or options.modality
    if modality is Modality.TEXT:
        return data
    if modality is not Modality.TEXT_IMAGE and is_image_file(data):
        spec.validate_modality(Modality.IMAGE)
        spec.validate_image_options(options)
        return read_image(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"'input' is not valid UTF-8: {error}", param="input") from None
    images = list(find_images(text))
    modality = modality or infer_modality(text, spec, images)
    spec.validate_modality(modality)
    if modality is Modality.TEXT:
        return data
    spec.validate_image_options(options)
    return read_image_input(text, images, modality)
