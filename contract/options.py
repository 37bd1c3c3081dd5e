"""Options of one request, and their form as parameters of a Triton request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from reprlib import Repr
from typing import Any, TypeVar, cast

from triton_embed.contract.errors import InvalidRequest


class InputType(str, Enum):
    """The side of a retrieval pair that a text is on."""

    QUERY = "query"
    PASSAGE = "passage"


class Truncate(str, Enum):
    """The end of a text over the limit that is truncated; with ``NONE`` the text is an error."""

    NONE = "NONE"
    START = "START"
    END = "END"


class Modality(str, Enum):
    """The content type of one input."""

    TEXT = "text"
    IMAGE = "image"
    TEXT_IMAGE = "text_image"


class EmbeddingType(str, Enum):
    """The element type of a returned embedding."""

    FLOAT = "float"
    INT8 = "int8"
    UINT8 = "uint8"
    BINARY = "binary"
    UBINARY = "ubinary"


Choice = TypeVar("Choice", bound=Enum)

INTEGER = re.compile(r"-?[0-9]{1,18}")

abbreviated = Repr()
abbreviated.maxstring = abbreviated.maxother = 100
"""Abbreviates a client's value in a message: gRPC carries messages in a header of limited size."""


@cache
def _members(choices: type[Enum]) -> Mapping[str, Enum]:
    return {choice.value.lower(): choice for choice in choices}


def parse_choice(choices: type[Choice], value: object, *, param: str) -> Choice | None:
    """Return the member of `choices` with the value `value`, in any case; ``None`` if it is empty.

    Raises:
        InvalidRequest: `value` is not one of the choices; the message lists them.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        member = _members(choices).get(value.lower())
        if member is not None:
            return cast(Choice, member)
    *others, last = (f"'{choice.value}'" for choice in choices)
    expected = f"{', '.join(others)} or {last}" if others else last
    raise InvalidRequest(
        f"'{param}': input should be {expected}, not {abbreviated.repr(value)}", param=param
    )


def _integer(value: object, *, param: str) -> int | None:
    if value is None or value == "":
        return None
    if type(value) is int:
        return value
    if isinstance(value, str) and INTEGER.fullmatch(value):
        return int(value)
    raise InvalidRequest(
        f"'{param}': input should be an integer, not {abbreviated.repr(value)}", param=param
    )


def _boolean(value: object, *, param: str) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidRequest(
        f"'{param}': input should be a boolean, not {abbreviated.repr(value)}", param=param
    )


@dataclass(frozen=True)
class Options:
    """The options of one request.

    Attributes:
        input_type: Query or passage; ``None``: the request has no type.
        truncate: Treatment of a text over the limit.
        dimensions: Length of the returned vectors; ``None``: the model's own.
        embedding_type: Element type of the returned vectors.
        modality: Content of every input; ``None``: to be inferred from each.
        token_ids: Whether each input is token ids of this model, as little-endian int32, not text.
        tokenize_only: Whether the tokenizer step's token ids are the response. They are not
            truncated if `truncate` is ``NONE``, and packed, see `backends.tokenizer.padding`.
    """

    input_type: InputType | None = None
    truncate: Truncate = Truncate.NONE
    dimensions: int | None = None
    embedding_type: EmbeddingType = EmbeddingType.FLOAT
    modality: Modality | None = None
    token_ids: bool = False
    tokenize_only: bool = False

    @property
    def needs_postprocess(self) -> bool:
        """True if the postprocess step must convert the encoder's vectors."""
        return self.dimensions is not None or self.embedding_type is not EmbeddingType.FLOAT

    @property
    def returns_all_tokens(self) -> bool:
        """True if the token ids are returned without a limit."""
        return self.tokenize_only and self.truncate is Truncate.NONE

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Options:
        """Read the request parameters of NIM's gRPC contract; unknown ones are ignored.

        Values may be in any case, and an empty value counts as absent; ``dimensions`` may be an
        integer or a string.

        Raises:
            InvalidRequest: a value is not allowed.
        """

        def chosen(choices: type[Choice], param: str) -> Choice | None:
            return parse_choice(choices, parameters.get(param), param=param)

        return cls(
            input_type=chosen(InputType, "input_type"),
            truncate=chosen(Truncate, "truncate") or Truncate.NONE,
            dimensions=_integer(parameters.get("dimensions"), param="dimensions"),
            embedding_type=chosen(EmbeddingType, "embedding_type") or EmbeddingType.FLOAT,
            modality=chosen(Modality, "modality"),
            token_ids=_boolean(parameters.get("token_ids", False), param="token_ids"),
            tokenize_only=_boolean(parameters.get("tokenize_only", False), param="tokenize_only"),
        )

    def to_parameters(self) -> dict[str, str | int | bool]:
        """Return the options as request parameters, without those that have their default."""
        parameters: dict[str, str | int | bool] = {}
        if self.input_type is not None:
            parameters["input_type"] = self.input_type.value
        if self.truncate is not Truncate.NONE:
            parameters["truncate"] = self.truncate.value
        if self.dimensions is not None:
            parameters["dimensions"] = self.dimensions
        if self.embedding_type is not EmbeddingType.FLOAT:
            parameters["embedding_type"] = self.embedding_type.value
        if self.modality is not None:
            parameters["modality"] = self.modality.value
        if self.token_ids:
            parameters["token_ids"] = True
        if self.tokenize_only:
            parameters["tokenize_only"] = True
        return parameters
