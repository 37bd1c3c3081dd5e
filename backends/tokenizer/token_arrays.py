"""Token arrays: inputs that a client has tokenized itself."""

from __future__ import annotations

import numpy as np
from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.special_tokens import special_tokens_around
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.messages import foreign_token_ids


class TokenArrays:
    """Reads the token arrays for one model, and rejects those of other tokenizers.

    The ids of another tokenizer stand for other words, and would produce wrong vectors. They can be
    recognized if the model's tokenizer begins each text with special tokens.

    Args:
        tokenizer: The model's tokenizer.
        vocab_size: Number of token ids that the model has weights for.
    """

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._leading, _ = special_tokens_around(tokenizer)
        self._leading_tokens = " ".join(
            str(tokenizer.id_to_token(token)) for token in self._leading
        )

    def read(self, item: bytes) -> list[int]:
        """Return the ids in `item`, little-endian int32.

        Raises:
            InvalidRequest: the ids are not from this model's tokenizer, or there are none.
        """
        if len(item) % 4:
            raise InvalidRequest("'input': token ids must be int32", param="input")
        ids = np.frombuffer(item, dtype="<i4")
        if not ids.size:
            raise InvalidRequest("'input': a token array must not be empty", param="input")
        outside = ids[(ids < 0) | (ids >= self._vocab_size)]
        if outside.size:
            raise foreign_token_ids(
                f"token id {outside[0]} is outside this model's vocabulary of {self._vocab_size}"
            )
        first = ids[: len(self._leading)].tolist()
        if first != self._leading:
            raise foreign_token_ids(
                f"the token array begins with {first}, but this model's texts begin with "
                f"{self._leading} ({self._leading_tokens})"
            )
        return ids.tolist()
