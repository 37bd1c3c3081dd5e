"""Turns the texts of many requests into token ids with one call of the Rust tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contract.card import ModelCard
from contract.errors import InvalidRequest, input_too_long
from contract.media import infer
from contract.options import InputType, Modality, Options, Truncate, choose

MOST_BYTES = 1 << 20
"""Of one text, which is more than the longest models take. Others wait while it is tokenized."""

MOST_CHARACTERS = 1 << 20
"""Of texts that are tokenized at a time. Until they are cut, their tokens take a hundred times the
memory that the texts do."""


@dataclass(frozen=True)
class Request:
    """What the tokenizer needs of one request.

    Attributes:
        inputs: UTF-8 text, or token ids where the options say ``token_ids``.
        options: Its options.
        modalities: What each input is, by the tensor of that name, if the request has one.
    """

    inputs: Sequence[bytes]
    options: Options
    modalities: Sequence[bytes] | None = None

    def stated_modalities(self) -> list[Modality | None]:
        """Return what the request says of each input; ``None`` where it says nothing."""
        if self.modalities is None:
            return [self.options.modality] * len(self.inputs)
        return [
            choose(Modality, item.decode(errors="replace"), param="modality") if item else None
            for item in self.modalities
        ]


class TextEncoder:
    """Encodes texts as one model wants them: prompt, special tokens, length limit.

    Args:
        tokenizer: The model's tokenizer; its own truncation and padding are switched off.
        card: The model's limits and prompts.
    """

    def __init__(self, tokenizer: Tokenizer, card: ModelCard) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._card = card
        special = tokenizer.encode("a").special_tokens_mask
        self._leading = sum(1 for _ in takewhile(bool, special))
        self._trailing = sum(1 for _ in takewhile(bool, reversed(special)))
        # A checkpoint's tokenizer may have added tokens that its model has no rows for.
        self._has_foreign_tokens = max(tokenizer.get_vocab().values()) >= card.vocab_size
        self._prompt_length = cache(self._count_prompt_tokens)

    def encode(self, requests: Sequence[Request]) -> list[list[list[int]] | InvalidRequest]:
        """Encode the inputs of several requests.

        Args:
            requests: Their inputs and options.

        Returns:
            For each request the token ids of its inputs, at least one id each, at most
            ``card.max_tokens``, all inside the vocabulary; or what is wrong with the request.
        """
        results: list[list[list[int]] | InvalidRequest] = []
        texts: list[tuple[int, str]] = []
        for index, request in enumerate(requests):
            options = request.options
            try:
                # Before anything is embedded for an option that cannot be had.
                self._card.check(options)
                if options.token_ids:
                    results.append([self._read_token_ids(item, options) for item in request.inputs])
                    continue
                prompt = self._card.prompt(options.input_type)
                texts += [(index, prompt + text) for text in self._read_texts(request)]
                results.append([])
            except InvalidRequest as error:
                results.append(error)
        for part in _parts(texts):
            encodings = self._tokenizer.encode_batch_fast([text for _, text in part])
            for (index, _), encoding in zip(part, encodings, strict=True):
                rows = results[index]
                if isinstance(rows, InvalidRequest):
                    continue
                try:
                    rows.append(self._fit(encoding.ids, requests[index].options))
                except InvalidRequest as error:
                    # A traceback would keep this frame, and with it the encodings.
                    results[index] = error.with_traceback(None)
        return results

    def _read_texts(self, request: Request) -> list[str]:
        texts = [_decode(item) for item in request.inputs]
        for text, stated in zip(texts, request.stated_modalities(), strict=True):
            self._card.check_modality(stated or infer(text))
        return texts

    def _read_token_ids(self, item: bytes, options: Options) -> list[int]:
        if len(item) % 4:
            raise InvalidRequest("'input': token ids must be int32", param="input")
        ids = np.frombuffer(item, dtype="<i4")
        if not ids.size:
            raise InvalidRequest("'input': a token array must not be empty", param="input")
        outside = ids[(ids < 0) | (ids >= self._card.vocab_size)]
        if outside.size:
            raise InvalidRequest(
                f"'input': token id {outside[0]} is outside this model's vocabulary of "
                f"{self._card.vocab_size} (token arrays must come from this model's tokenizer)",
                param="input",
            )
        return self._cut(ids.tolist(), options.truncate, head=0, tail=0)

    def _fit(self, ids: list[int], options: Options) -> list[int]:
        if not ids:
            raise InvalidRequest("'input': a text without any token", param="input")
        if self._has_foreign_tokens and max(ids) >= self._card.vocab_size:
            token = self._tokenizer.id_to_token(max(ids))
            raise InvalidRequest(
                f"'input': the text holds the token '{token}', for which this model has no weights",
                param="input",
            )
        if len(ids) <= self._card.max_tokens:
            return ids
        head = self._leading + self._prompt_length(options.input_type)
        head = min(head, self._card.max_tokens - self._trailing)
        return self._cut(ids, options.truncate, head=head, tail=self._trailing)

    def _cut(self, ids: list[int], truncate: Truncate, *, head: int, tail: int) -> list[int]:
        """Cut `ids` to the limit, sparing the first `head` and last `tail` ids."""
        excess = len(ids) - self._card.max_tokens
        if excess <= 0:
            return ids
        if truncate is Truncate.NONE:
            raise input_too_long(len(ids), self._card.max_tokens)
        end = len(ids) - tail
        if truncate is Truncate.START:
            return ids[:head] + ids[head + excess :]
        return ids[: end - excess] + ids[end:]

    def _count_prompt_tokens(self, input_type: InputType | None) -> int:
        prompt = self._card.prompt(input_type)
        return len(self._tokenizer.encode(prompt, add_special_tokens=False).ids) if prompt else 0


def _parts(texts: Sequence[tuple[int, str]]) -> Iterator[Sequence[tuple[int, str]]]:
    """Cut `texts` so that none of more than one text has over `MOST_CHARACTERS` together."""
    start = size = 0
    for stop, (_, text) in enumerate(texts):
        size += len(text)
        if size > MOST_CHARACTERS and stop > start:
            yield texts[start:stop]
            start, size = stop, len(text)
    if texts:
        yield texts[start:]


def _decode(item: bytes) -> str:
    if not item:
        raise InvalidRequest("'input' must not be an empty string", param="input")
    if len(item) > MOST_BYTES:
        raise InvalidRequest(
            f"'input': a text of {len(item)} bytes exceeds the maximum of {MOST_BYTES} bytes",
            param="input",
        )
    try:
        return item.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"'input' is not valid UTF-8: {error}", param="input") from None


def pad(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return `rows` as one matrix, padded with zeros to the longest, and their lengths.

    Returns:
        Token ids, int32 [n, L], and lengths, int32 [n, 1].
    """
    lengths = [len(row) for row in rows]
    longest = max(lengths)
    padded = [[*row, *[0] * (longest - length)] for row, length in zip(rows, lengths, strict=True)]
    return np.array(padded, np.int32), np.array(lengths, np.int32)[:, None]
