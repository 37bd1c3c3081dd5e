"""The token ids of inputs with an image, for models whose language model embeds images."""

from __future__ import annotations

from functools import cache

from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.special_tokens import special_tokens_around
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.messages import foreign_token_ids
from triton_embed.contract.options import InputType, Options
from triton_embed.contract.spec import ModelSpec
from triton_embed.contract.tensors import IMAGE_GRID


class ImageSequences:
    """Puts the tokens of an image between the prompt and the text.

    Texts contain none of these tokens: the export takes them out of the vocabulary of texts, so
    that a text such as ``<img>`` is tokenized like any other.

    Args:
        tokenizer: The model's tokenizer.
        spec: The model's spec, with `image` and `image_tokens`.
    """

    def __init__(self, tokenizer: Tokenizer, spec: ModelSpec) -> None:
        assert spec.image and spec.image_tokens
        self._tokenizer = tokenizer
        self._spec = spec
        self._tokens = spec.image_tokens
        self._max_tokens = spec.image.max_image_tokens
        self._leading, _ = special_tokens_around(tokenizer)
        self._head = cache(self._encode_head)

    @property
    def separator(self) -> str:
        """Text before each text that follows an image."""
        return self._tokens.separator

    def join(
        self, grid: tuple[int, int], ids: list[int], options: Options
    ) -> tuple[list[int], int]:
        """Return the ids of an input, and the number of those up to the end of the image.

        Args:
            grid: Rows and columns of the image's tokens.
            ids: Ids of the separator and the text after the image, special tokens included.
            options: The options of the request.
        """
        rows, columns = grid
        start = [*self._head(options.input_type), *self._tokens.sequence(rows, columns)]
        return start + ids[len(self._leading) :], len(start)

    def validate_grid(self, grid: tuple[int, int]) -> None:
        """Check the size of an image before its tokens are allocated.

        Args:
            grid: Rows and columns of the image's tokens.

        Raises:
            InvalidRequest: no image has this size.
        """
        rows, columns = grid
        if min(grid) < 1 or rows * columns > self._max_tokens:
            raise InvalidRequest(
                f"'{IMAGE_GRID}' is {rows}x{columns}; an image has at least 1 row and 1 column, "
                f"and at most {self._max_tokens} tokens",
                param=IMAGE_GRID,
            )

    def validate_text(self, ids: list[int]) -> None:
        """Check token ids that a client sent as a text.

        Raises:
            InvalidRequest: one of them stands for a part of an image.
        """
        if self._tokens.placeholder in ids:
            raise foreign_token_ids(f"token id {self._tokens.placeholder} stands for an image")

    def _encode_head(self, input_type: InputType | None) -> list[int]:
        """Return the ids of the special tokens and the prompt before an image."""
        prompt: list[int] = self._tokenizer.encode(
            self._spec.prompt(input_type), add_special_tokens=False
        ).ids
        return self._leading + prompt
