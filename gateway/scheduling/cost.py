"""The estimated cost of an input, in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import ceil

from triton_embed.contract.options import Modality
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob

FIRST_BYTES_PER_TOKEN = 4.0
"""Bytes of text per token before the first response: English with a WordPiece or BPE vocabulary."""

MIN_BYTES_PER_TOKEN = 1.0
"""Lower bound of bytes per token. Very short texts have fewer, because of the special tokens; a
text in unknown characters has about one."""

MAX_BYTES_PER_TOKEN = 16.0
"""Maximum bytes per token that are learned from a text. No language or code has as many; but a long
unknown word, or a run of spaces, is a single token, and would lower all other estimates."""

DISCARDED_BYTES_PER_TOKEN = 128
"""Bytes beyond the limit whose tokenization takes as long as embedding one token, if the whole text
is tokenized. Measured with MiniLM, the fastest model that we serve; any other model embeds more
slowly. Usually only an excerpt is tokenized, but the gateway cannot know that."""

PIXELS_PER_TOKEN = 1 << 16
"""Pixels of an image whose decoding takes as long as embedding one token: about 1 ms of a core, for
decoding and resizing. Measured with CLIP ViT-B/32, the smallest common image tower; others
embed more slowly."""

FIRST_TOKENS = 1000
"""Weight of the first value, in tokens: a few requests outweigh it."""

AVERAGING_TOKENS = 100_000
"""Tokens over which the estimate is averaged: seconds under load, so that it follows the texts."""


class TokenEstimator:
    """Learns the bytes per token of one model's texts from Triton's responses."""

    def __init__(self) -> None:
        self._tokens = float(FIRST_TOKENS)
        self._bytes = FIRST_TOKENS * FIRST_BYTES_PER_TOKEN

    @property
    def bytes_per_token(self) -> float:
        """Estimated bytes of text per token, special tokens included."""
        return max(self._bytes / self._tokens, MIN_BYTES_PER_TOKEN)

    def text(self, size: int, limit: int) -> int:
        """Return the estimated cost of a text, in tokens; at least 1.

        Args:
            size: Bytes of the text in UTF-8.
            limit: Maximum tokens that are embedded. The rest of the text is only tokenized.
        """
        tokens = size / self.bytes_per_token
        if tokens > limit:
            discarded = size - limit * self.bytes_per_token
            tokens = limit + discarded / DISCARDED_BYTES_PER_TOKEN
        return ceil(tokens) or 1

    def image(self, tokens: int, pixels: int) -> int:
        """Return the estimated cost of an image, in tokens; at least 1.

        Args:
            tokens: Tokens that stand for the image.
            pixels: Its pixels, before it is resized.
        """
        return tokens + ceil(pixels / PIXELS_PER_TOKEN)

    def learn(self, job: EmbedJob, batches: Sequence[EmbeddingBatch]) -> None:
        """Compare the sizes of texts with the tokens that Triton counted.

        Args:
            job: The request. Token ids, images, and texts that may be truncated, are ignored.
            batches: Its responses, in order.
        """
        if job.options.token_ids:
            return
        limit = job.token_limit
        counts = chain.from_iterable(batch.token_counts.tolist() for batch in batches)
        for item, tokens in zip(job.inputs, counts, strict=True):
            if item.kind is Modality.TEXT and tokens < limit:
                self._bytes += min(len(item.data), tokens * MAX_BYTES_PER_TOKEN)
                self._tokens += tokens
        if self._tokens > AVERAGING_TOKENS:
            self._bytes /= 2
            self._tokens /= 2
