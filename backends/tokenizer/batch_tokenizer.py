"""Turns the texts of many requests into token ids with one call of the Rust tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import takewhile
from operator import eq

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.inputs import map_inputs
from triton_embed.contract.messages import input_too_long
from triton_embed.contract.modality import infer
from triton_embed.contract.options import InputType, Modality, Options, Truncate, choose
from triton_embed.contract.spec import ModelSpec

MAX_BYTES = 1 << 20
"""Of one text, which is more than the longest models take. Others wait while it is tokenized."""

MAX_CHARACTERS = 1 << 20
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


class BatchTokenizer:
    """Encodes texts as one model wants them: prompt, special tokens, length limit.

    Args:
        tokenizer: The model's tokenizer; its own truncation and padding are switched off.
        spec: The model's limits and prompts.
    """

    def __init__(self, tokenizer: Tokenizer, spec: ModelSpec) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._spec = spec
        some = tokenizer.encode("a")
        leading = sum(1 for _ in takewhile(bool, some.special_tokens_mask))
        trailing = sum(1 for _ in takewhile(bool, reversed(some.special_tokens_mask)))
        self._leading = some.ids[:leading]
        self._trailing = some.ids[len(some.ids) - trailing :]
        # A checkpoint's tokenizer may have added tokens that its model has no rows for.
        self._has_foreign_tokens = max(tokenizer.get_vocab().values()) >= spec.vocab_size
        self._prompt_ids = cache(self._encode_prompt)

    def encode(self, requests: Sequence[Request]) -> list[list[list[int]] | InvalidRequest]:
        """Encode the inputs of several requests.

        Args:
            requests: Their inputs and options.

        Returns:
            For each request the token ids of its inputs, at least one id each, at most
            ``spec.max_tokens``, all inside the vocabulary; or what is wrong with the request.
        """
        results: list[list[list[int]] | InvalidRequest] = []
        texts: list[tuple[int, str]] = []
        for index, request in enumerate(requests):
            options = request.options
            try:
                # Before anything is embedded for an option that cannot be had.
                self._spec.check(options)
                if options.token_ids:
                    results.append(map_inputs(request.inputs, partial(self._read_ids, options)))
                    continue
                prompt = self._spec.prompt(options.input_type)
                texts += [(index, prompt + text) for text in self._read_texts(request)]
                results.append([])
            except InvalidRequest as error:
                results.append(_forgetful(error))
        for part in _parts(texts):
            encodings = self._tokenizer.encode_batch_fast([text for _, text in part])
            for (index, _), encoding in zip(part, encodings, strict=True):
                rows = results[index]
                if isinstance(rows, InvalidRequest):
                    continue
                request = requests[index]
                try:
                    rows.append(self._fit(encoding.ids, request.options))
                except InvalidRequest as error:
                    if len(request.inputs) > 1:
                        error = error.with_index(len(rows))
                    results[index] = _forgetful(error)
        return results

    def _read_texts(self, request: Request) -> list[str]:
        modalities = request.modalities or [b""] * len(request.inputs)
        stated = list(zip(request.inputs, modalities, strict=True))
        return map_inputs(stated, partial(self._read_text, request.options))

    def _read_text(self, options: Options, stated: tuple[bytes, bytes]) -> str:
        text = _decode(stated[0])
        modality = choose(Modality, stated[1].decode(errors="replace"), param="modality")
        self._spec.check_modality(modality or options.modality or infer(text))
        return text

    def _read_ids(self, options: Options, item: bytes) -> list[int]:
        if len(item) % 4:
            raise InvalidRequest("'input': token ids must be int32", param="input")
        ids = np.frombuffer(item, dtype="<i4")
        if not ids.size:
            raise InvalidRequest("'input': a token array must not be empty", param="input")
        outside = ids[(ids < 0) | (ids >= self._spec.vocab_size)]
        if outside.size:
            raise InvalidRequest(
                f"'input': token id {outside[0]} is outside this model's vocabulary of "
                f"{self._spec.vocab_size} (token arrays must come from this model's tokenizer)",
                param="input",
            )
        return self._cut(ids.tolist(), options)

    def _fit(self, ids: list[int], options: Options) -> list[int]:
        if not ids:
            raise InvalidRequest("'input': a text without any token", param="input")
        if self._has_foreign_tokens and max(ids) >= self._spec.vocab_size:
            token = self._tokenizer.id_to_token(max(ids))
            raise InvalidRequest(
                f"'input': the text holds the token '{token}', for which this model has no weights",
                param="input",
            )
        return self._cut(ids, options)

    def _cut(self, ids: list[int], options: Options) -> list[int]:
        """Cut `ids` to the limit, sparing special tokens and, at the start, the prompt."""
        limit = self._spec.max_tokens
        if len(ids) <= limit:
            return ids
        if options.truncate is Truncate.NONE:
            raise input_too_long(len(ids), limit)
        # A client that sends ids may have left out any of these.
        tail = _common(reversed(ids), reversed(self._trailing))
        if options.truncate is Truncate.END:
            return ids[: limit - tail] + ids[len(ids) - tail :]
        head = _common(ids, self._leading)
        head += _common(ids[head:], self._prompt_ids(options.input_type))
        head = min(head, limit - tail)
        return ids[:head] + ids[len(ids) - limit + head :]

    def _encode_prompt(self, input_type: InputType | None) -> list[int]:
        ids: list[int] = self._tokenizer.encode(
            self._spec.prompt(input_type), add_special_tokens=False
        ).ids
        return ids


def _parts(texts: Sequence[tuple[int, str]]) -> Iterator[Sequence[tuple[int, str]]]:
    """Cut `texts` so that none of more than one text has over `MAX_CHARACTERS` together."""
    start = size = 0
    for stop, (_, text) in enumerate(texts):
        size += len(text)
        if size > MAX_CHARACTERS and stop > start:
            yield texts[start:stop]
            start, size = stop, len(text)
    if texts:
        yield texts[start:]


def _forgetful(error: InvalidRequest) -> InvalidRequest:
    """Return `error` without its traceback, which would keep the encodings of all requests."""
    error.__context__ = None
    return error.with_traceback(None)


def _common(ids: Iterable[int], others: Iterable[int]) -> int:
    """Return in how many ids from the first both agree."""
    return sum(1 for _ in takewhile(bool, map(eq, ids, others)))


def _decode(item: bytes) -> str:
    if not item:
        raise InvalidRequest("'input' must not be an empty string", param="input")
    if len(item) > MAX_BYTES:
        raise InvalidRequest(
            f"'input': a text of {len(item)} bytes exceeds the maximum of {MAX_BYTES} bytes",
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
