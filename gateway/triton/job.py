"""A validated request for embeddings, as it passes from the API through scheduling to Triton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from triton_embed.contract.options import Modality, Options
from triton_embed.gateway.triton.model import ServedModel

TraceHeaders = tuple[tuple[str, str], ...]
"""Headers that continue the caller's trace in Triton."""


class Input(NamedTuple):
    """One input with its estimated cost.

    Attributes:
        kind: Its modality.
        data: The element of Triton's tensor `text`: UTF-8, token ids as little-endian int32, or an
            image file.
        tokens: Estimated work, in tokens that the encoder processes; at least 1.
    """

    kind: Modality
    data: bytes
    tokens: int


@dataclass(frozen=True)
class EmbedJob:
    """Inputs to embed with one model and one set of options.

    Attributes:
        model: The model to embed with.
        inputs: The inputs, at least one.
        options: The options of the request.
        trace: Headers to send along with each inference.
    """

    model: ServedModel
    inputs: Sequence[Input]
    options: Options
    trace: TraceHeaders = ()

    @cached_property
    def tokens(self) -> int:
        """Estimated tokens of all inputs."""
        return sum(item.tokens for item in self.inputs)

    @property
    def token_limit(self) -> int:
        """Maximum tokens of an input, prompt and special tokens included."""
        return self.model.spec.token_limit(self.options.input_type)

    @cached_property
    def images(self) -> int:
        """Number of inputs with an image."""
        return sum(item.kind is not Modality.TEXT for item in self.inputs)

    @property
    def has_images(self) -> bool:
        """True if an input has an image."""
        return self.images > 0

    def chunk(self, start: int, stop: int) -> EmbedJob:
        """Return the job of the inputs from `start` to `stop`."""
        return EmbedJob(self.model, self.inputs[start:stop], self.options, self.trace)
