"""The body of ``POST /v1/embeddings``, validated field by field."""

from __future__ import annotations

import gc
import struct
from codecs import BOM_UTF8
from collections.abc import Sequence
from enum import Enum
from functools import partial
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_input import MAX_URL_BYTES, read_image_input
from triton_embed.contract.inputs import map_inputs, validate_text_size
from triton_embed.contract.modality import START, find_images, infer_modality
from triton_embed.contract.options import (
    EmbeddingType,
    InputType,
    Modality,
    Options,
    Truncate,
    parse_choice,
)
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.api.body_values import validate_values
from triton_embed.gateway.api.parts import flatten_parts
from triton_embed.gateway.api.surrogates import has_lone_surrogate, parse_replaced
from triton_embed.gateway.api.validation import invalid_request
from triton_embed.gateway.scheduling.cost import TokenEstimator
from triton_embed.gateway.triton.job import Input

EXAMPLE: JsonDict = {
    "input": ["Hello world"],
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    "input_type": "query",
}


# Report one error per list: an error for every element of a long list would take gigabytes.
Texts = Annotated[list[str], Field(fail_fast=True)]
TokenIds = Annotated[list[int], Field(fail_fast=True)]
TokenIdLists = Annotated[list[TokenIds], Field(fail_fast=True)]


class EncodingFormat(str, Enum):
    """Encoding of the vectors in the response."""

    FLOAT = "float"
    BASE64 = "base64"


def _one_of(choices: type[Enum]) -> JsonDict:
    """Return the JSON schema of a field that is one of `choices`, or null."""
    return {"enum": [*(choice.value for choice in choices), None]}


class EmbeddingRequest(BaseModel):
    """Inputs to embed, and options."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"example": EXAMPLE}
    )

    model: Annotated[
        str,
        Field(description="Model id, optionally with the suffix `-query` or `-passage`."),
    ]
    input: Annotated[
        Union[str, Texts, TokenIds, TokenIdLists],  # noqa: UP007
        Field(description="A text, a list of texts, or token ids from the model's own tokenizer."),
    ]
    input_type: Annotated[
        str | None,
        Field(
            description="Side of the retrieval pair; required for asymmetric models.",
            json_schema_extra=_one_of(InputType),
        ),
    ] = None
    truncate: Annotated[
        str | None,
        Field(
            description="Side on which a long text is truncated: `NONE` (error), `START`, `END`.",
            json_schema_extra=_one_of(Truncate),
        ),
    ] = None
    modality: Annotated[
        Union[str, Texts, None],  # noqa: UP007
        Field(description="`text`, `image` or `text_image`; one value, or one per input."),
    ] = None
    dimensions: Annotated[
        int | None, Field(description="Length of the vectors, for Matryoshka models.")
    ] = None
    embedding_type: Annotated[
        str | None,
        Field(
            description="Element type of the vectors.",
            json_schema_extra=_one_of(EmbeddingType),
        ),
    ] = None
    encoding_format: Annotated[
        str | None,
        Field(
            description="JSON numbers, or base64 of the little-endian bytes.",
            json_schema_extra=_one_of(EncodingFormat),
        ),
    ] = None
    user: Annotated[str | None, Field(description="Accepted and ignored.")] = None

    def options(self, suffix: InputType | None) -> Options:
        """Return the options of this request.

        Args:
            suffix: The input type stated by the model name's suffix.

        Raises:
            InvalidRequest: a value is not allowed, or contradicts another.
        """
        options = Options.from_parameters(
            {
                "input_type": self.input_type or (suffix and suffix.value),
                "truncate": self.truncate,
                "dimensions": self.dimensions,
                "embedding_type": self.embedding_type,
                # The modality of each input is checked here; Triton must not infer it again.
                "modality": Modality.TEXT.value,
                "token_ids": not isinstance(self.input, str) and not isinstance(self.input[0], str),
            }
        )
        if suffix and options.input_type is not suffix:
            raise InvalidRequest(
                f"'input_type' is '{self.input_type}', but the model name ends in "
                f"'-{suffix.value}'.",
                param="input_type",
            )
        return options

    def encoding(self) -> EncodingFormat:
        """Return the encoding of the vectors.

        Raises:
            InvalidRequest: there is no such encoding.
        """
        chosen = parse_choice(EncodingFormat, self.encoding_format, param="encoding_format")
        return chosen or EncodingFormat.FLOAT

    @property
    def count(self) -> int:
        """Number of inputs."""
        single = isinstance(self.input, str) or isinstance(self.input[0], int)
        return 1 if single else len(self.input)

    def default_input_type(self, spec: ModelSpec) -> InputType | None:
        """Return passage if every input has an image, which cannot be a query.

        Args:
            spec: The spec of the model.
        """
        if spec.image_tokens is None or self.input_type:
            return None
        items = [self.input] if isinstance(self.input, str) else self.input
        stated = [self.modality] if isinstance(self.modality, str) else self.modality or [""]
        modalities = stated * len(items) if len(stated) == 1 else stated
        texts = any(
            _is_text(spec, item, modality)
            for item, modality in zip(items, modalities, strict=False)
        )
        return None if texts else InputType.PASSAGE

    def inputs(
        self,
        spec: ModelSpec,
        estimator: TokenEstimator,
        options: Options,
        max_image_bytes: int = MAX_URL_BYTES,
    ) -> list[Input]:
        """Return each input as Triton receives it, with its estimated cost.

        Args:
            spec: The spec of the model.
            estimator: Estimates the cost of a text for this model.
            options: The options of this request.
            max_image_bytes: Maximum bytes of the data URL of an image.

        Raises:
            InvalidRequest: an input is empty or of a modality that the model does not support, or
                a token id does not fit 32 bits.
        """
        items: list[Any] = [self.input] if isinstance(self.input, str) else list(self.input)
        if isinstance(items[0], int):
            items = [items]
        stated = self._stated_modalities(spec, len(items))
        limit = 0 if options.tokenize_only else spec.token_limit(options.input_type)
        read = partial(_read, spec, limit, estimator, max_image_bytes, options)
        return map_inputs(list(zip(items, stated, strict=True)), read)

    def _stated_modalities(self, spec: ModelSpec, count: int) -> Sequence[Modality | None]:
        if self.modality is None:
            return [None] * count
        stated = [self.modality] if isinstance(self.modality, str) else self.modality
        if len(stated) not in (1, count):
            raise InvalidRequest(
                f"'modality' has {len(stated)} values for {count} inputs; "
                "give one value, or one per input",
                param="modality",
            )
        modalities = map_inputs(stated, partial(_read_modality, spec))
        return modalities * count if len(modalities) == 1 else modalities


def parse(body: bytes) -> EmbeddingRequest:
    """Return the request in a JSON body.

    Raises:
        InvalidRequest: it is not JSON, or a field is missing, unknown or of the wrong type; the
            message names the field.
    """
    body = body.removeprefix(BOM_UTF8)
    validate_values(body)
    # Parsing allocates millions of live lists; collecting garbage would take longer than parsing.
    gc.disable()
    try:
        request = _validated(body)
    finally:
        gc.enable()
    if not request.input:
        raise InvalidRequest("'input' must not be empty", param="input")
    return request


def _validated(body: bytes) -> EmbeddingRequest:
    try:
        return EmbeddingRequest.model_validate_json(body)
    except ValidationError as error:
        failure = error
    if (flattened := flatten_parts(body)) is not None:
        return _validated(flattened)
    if has_lone_surrogate(failure):
        try:
            return EmbeddingRequest.model_validate(parse_replaced(body))
        except ValidationError as error:
            failure = error
        except ValueError as error:
            raise InvalidRequest(f"The request body is not valid JSON: {error}") from None
    raise invalid_request(failure, body)


def _is_text(spec: ModelSpec, item: object, modality: str) -> bool:
    """Return whether an input has no image; an empty `modality` is inferred."""
    if modality:
        return modality.lower() == Modality.TEXT.value
    return not isinstance(item, str) or infer_modality(item, spec) is Modality.TEXT


def _read(
    spec: ModelSpec,
    limit: int,
    estimator: TokenEstimator,
    max_image_bytes: int,
    options: Options,
    stated: tuple[str | list[int], Modality | None],
) -> Input:
    item, modality = stated
    if not item:
        raise InvalidRequest("'input' must not be empty", param="input")
    if not isinstance(item, str):
        return Input(Modality.TEXT, _pack(item), min(len(item), limit))
    if modality is Modality.TEXT or (modality is None and START not in item):
        # The search for images would cost more than all of the rest.
        return _read_text(item, limit, estimator)
    if spec.is_text_only:
        validate_text_size(len(item))
    images = list(find_images(item))
    if modality is None:
        modality = infer_modality(item, spec, images)
        spec.validate_modality(modality)
    if modality is not Modality.TEXT and spec.image:
        spec.validate_image_options(options)
        image = read_image_input(item, images, modality, max_image_bytes)
        tokens = estimator.image(spec.count_image_tokens(image.file), image.file.pixels)
        if not image.text:
            # The file itself: the router would have to find and decode it again.
            return Input(modality, image.data, tokens)
        text = estimator.text(len(image.text.encode()), limit)
        return Input(modality, item.encode(), tokens + text)
    return _read_text(item, limit, estimator)


def _read_text(text: str, limit: int, estimator: TokenEstimator) -> Input:
    validate_text_size(len(text))
    data = text.encode()
    return Input(Modality.TEXT, data, estimator.text(len(data), limit))


def _read_modality(spec: ModelSpec, value: str) -> Modality | None:
    modality = parse_choice(Modality, value, param="modality")
    if modality:
        spec.validate_modality(modality)
    return modality


def _pack(ids: list[int]) -> bytes:
    try:
        # Unlike NumPy 1, struct rejects an id that does not fit.
        return struct.pack(f"<{len(ids)}i", *ids)
    except struct.error:
        raise InvalidRequest(
            "'input': a token id does not fit 32 bits, so it is outside any vocabulary",
            param="input",
        ) from None
