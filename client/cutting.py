"""Requests cut from a list: texts of similar length together, with a limit on their tokens.

Texts of similar length waste no computation on padding, and requests of similar cost let their
round-trip times be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triton_embed.contract.modality import START, find_images

MAX_REQUEST_TOKENS = 3072
"""Estimated tokens of a request. Our server always admits several requests of 4096 tokens, but only
two larger ones, and estimates differ. Larger requests are not faster: sorted texts have similar
lengths anyway."""

MAX_REQUEST_ROWS = 2048
"""Inputs of a request; OpenAI's limit, which other servers have, too."""

MAX_REQUEST_BYTES = 16 << 20
"""Bytes of the inputs of a request, a bound for images: half of our server's limit for a body."""

FIRST_CHARACTERS_PER_TOKEN = 4.0
"""Characters per token before the first response: English in most vocabularies."""

MIN_CHARACTERS_PER_TOKEN = 1.0
"""Lower bound: CJK and unknown characters are about one token each."""

IMAGE_TOKENS = 256
"""Estimated tokens of an image: those of one tile in most models."""

AVERAGING_TOKENS = 1_000_000
"""Tokens over which the characters per token are averaged."""


class TokenEstimator:
    """Estimates tokens by the characters of a text; learns from the counts in responses.

    Args:
        max_tokens: Maximum tokens of an input, to which the server truncates; ``None``: unknown.
    """

    def __init__(self, max_tokens: int | None = None) -> None:
        self._max_tokens = max_tokens
        self._characters = FIRST_CHARACTERS_PER_TOKEN
        self._tokens = 1.0

    def tokens(self, text: str) -> int:
        """Return the estimated tokens of an input; at least 1."""
        size = len(text)
        images = 0
        if START in text:
            for image in find_images(text):
                size -= image.end - image.start
                images += IMAGE_TOKENS
        count = int(size / max(self._characters / self._tokens, MIN_CHARACTERS_PER_TOKEN)) + 1
        return images + (count if self._max_tokens is None else min(count, self._max_tokens))

    def learn(self, texts: Sequence[str], tokens: int) -> None:
        """Compare texts with their token count; lists with images or long texts are ignored."""
        limit = self._max_tokens or float("inf")
        if tokens and all(self.tokens(text) < limit and START not in text for text in texts):
            self._characters += sum(map(len, texts))
            self._tokens += tokens
            if self._tokens > AVERAGING_TOKENS:
                self._characters /= 2
                self._tokens /= 2


def cut(texts: Sequence[str], estimator: TokenEstimator) -> Iterator[list[int]]:
    """Yield the positions of the texts of each request, the longest texts first.

    The last responses of a list are then those of short requests.

    Args:
        texts: The inputs.
        estimator: Estimates their tokens.
    """
    costs = [estimator.tokens(text) for text in texts]
    request: list[int] = []
    tokens = size = 0
    for position in sorted(range(len(texts)), key=lambda index: (-costs[index], index)):
        cost, length = costs[position], len(texts[position])
        is_full = (
            len(request) == MAX_REQUEST_ROWS
            or tokens + cost > MAX_REQUEST_TOKENS
            or size + length > MAX_REQUEST_BYTES
        )
        if request and is_full:
            yield request
            request, tokens, size = [], 0, 0
        request.append(position)
        tokens += cost
        size += length
    if request:
        yield request
