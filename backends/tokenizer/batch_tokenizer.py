"""Tokenization of the texts of several requests with one call of the Rust tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.excerpts import GROWTH, Excerpts
from triton_embed.backends.tokenizer.image_sequences import ImageSequences
from triton_embed.backends.tokenizer.prompt_marks import PromptMarks
from triton_embed.backends.tokenizer.token_arrays import TokenArrays
from triton_embed.backends.tokenizer.truncation import Truncation
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.inputs import MAX_TEXT_BYTES, map_inputs, validate_text_size
from triton_embed.contract.modality import infer_modality
from triton_embed.contract.naming import triton_model_name
from triton_embed.contract.options import Modality, Options, parse_choice
from triton_embed.contract.spec import ModelSpec

MAX_CHUNK_CHARACTERS = 1 << 20
"""Maximum characters in one call of the tokenizer, unless a single text has more. Until they are
truncated, token ids and offsets take about a hundred times the memory of their text."""

Rows = list[list[int]]
"""The token ids of each input of a request."""


Grid = tuple[int, int]
NO_IMAGE: Grid = (0, 0)


class Text(NamedTuple):
    """A text to tokenize.

    Attributes:
        request: The index of its request.
        prompt: The text before it.
        text: The text.
        options: The options of its request.
        grid: Rows and columns of the tokens of the image before it; zeros: there is none.
    """

    request: int
    prompt: str
    text: str
    options: Options
    grid: Grid = NO_IMAGE


@dataclass(frozen=True)
class Request:
    """The inputs and options of one request.

    Attributes:
        inputs: UTF-8 text, or int32 token ids if the options have ``token_ids``.
        options: The request's options.
        modalities: Modality of each input, if the request has a tensor of that name.
        grids: Rows and columns of the tokens of each image, if the request has a tensor of that
            name. The inputs are then the texts after the images, which may be empty.
    """

    inputs: Sequence[bytes]
    options: Options
    modalities: Sequence[bytes] | None = None
    grids: Sequence[Grid] | None = None


class BatchTokenizer:
    """Tokenizes texts for one model: with prompt, special tokens and length limit.

    Args:
        tokenizer: The model's tokenizer; its own truncation and padding are switched off.
        spec: The model's limits and prompts.
    """

    def __init__(self, tokenizer: Tokenizer, spec: ModelSpec) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._spec = spec
        self._truncation = Truncation(tokenizer, spec)
        self._token_arrays = TokenArrays(tokenizer, spec.vocab_size)
        self._excerpts = Excerpts(tokenizer)
        self._images = ImageSequences(tokenizer, spec) if spec.image_tokens else None
        self._marks = None if spec.pools_prompt else PromptMarks(tokenizer)
        # A checkpoint's tokenizer may have additional tokens that its model has no weights for.
        self._has_foreign_tokens = max(tokenizer.get_vocab().values()) >= spec.vocab_size

    def encode(self, requests: Sequence[Request]) -> list[Rows | InvalidRequest]:
        """Tokenize the inputs of several requests.

        Args:
            requests: Their inputs and options.

        Returns:
            For each request the token ids of its inputs: from 1 to ``spec.max_tokens`` each, all
            in the vocabulary, or marked (`prompt_marks`). For an invalid request, its error.
        """
        results: list[Rows | InvalidRequest] = []
        texts: list[Text] = []
        for index, request in enumerate(requests):
            options = request.options
            try:
                # Reject invalid options before any text is tokenized.
                self._spec.validated_options(options)
                if options.token_ids:
                    read = partial(self._read_token_ids, options)
                    results.append(map_inputs(request.inputs, read))
                    continue
                texts += self._read_texts(index, request)
                results.append([])
            except InvalidRequest as error:
                results.append(_without_traceback(error))
        self._encode_texts(requests, texts, results)
        return results

    def _encode_texts(
        self,
        requests: Sequence[Request],
        texts: Sequence[Text],
        results: list[Rows | InvalidRequest],
    ) -> None:
        """Append the token ids of `texts` to the rows of their requests in `results`.

        Args:
            requests: All requests.
            texts: Their texts, in order.
            results: The result of each request; replaced if one of its texts is invalid.
        """
        for text, ids in zip(texts, self._token_ids(texts), strict=True):
            rows = results[text.request]
            if isinstance(rows, InvalidRequest):
                continue
            if isinstance(ids, InvalidRequest):
                is_alone = len(requests[text.request].inputs) == 1
                results[text.request] = ids if is_alone else ids.with_index(len(rows))
            else:
                rows.append(ids)

    def _token_ids(self, texts: Sequence[Text]) -> list[list[int] | InvalidRequest]:
        """Return the ids of each text, truncated, or its error.

        Of a long text an excerpt is tokenized, and a longer one if it had too few tokens.
        """
        found: list[list[int] | InvalidRequest] = [[]] * len(texts)
        limits = [self._limit(text.options) for text in texts]
        bodies = list(map(self._excerpts.condense, (text.text for text in texts), limits))
        pending, growth = list(range(len(texts))), 1
        while pending:
            excerpts = [
                self._excerpts.excerpt(
                    *(texts[index].prompt, bodies[index], texts[index].options.truncate),
                    limits[index],
                    growth,
                )
                for index in pending
            ]
            lacking = []
            encodings = self._encode([excerpt.text for excerpt in excerpts])
            for index, excerpt, ids in zip(pending, excerpts, encodings, strict=True):
                if self._excerpts.suffices(excerpt, len(ids), limits[index]):
                    found[index] = self._truncated(ids, texts[index])
                else:
                    lacking.append(index)
            pending, growth = lacking, growth * GROWTH
        return found

    def _limit(self, options: Options) -> int:
        """Return the number of tokens of a text that are needed."""
        if options.returns_all_tokens:
            return MAX_TEXT_BYTES
        return self._spec.token_limit(options.input_type)

    def _truncated(self, ids: list[int], text: Text) -> list[int] | InvalidRequest:
        kept = 0
        if self._images and text.grid != NO_IMAGE:
            ids, kept = self._images.join(text.grid, ids, text.options)
        try:
            return self._validate_ids(ids, text.options, kept)
        except InvalidRequest as error:
            return _without_traceback(error)

    def _encode(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for chunk in _chunks(texts):
            for encoding in self._tokenizer.encode_batch_fast(chunk):
                yield encoding.ids

    def _read_texts(self, index: int, request: Request) -> list[Text]:
        """Return the texts of `request`, whose position is `index`."""
        options = request.options
        prompt = self._spec.prompt(options.input_type)
        if self._images and request.grids is not None:
            self._spec.validate_image_options(options)
            separator = self._images.separator
            map_inputs(request.grids, self._images.validate_grid)
            texts = map_inputs(request.inputs, partial(_decode, may_be_empty=True))
            return [
                Text(index, separator, text, options, grid)
                for text, grid in zip(texts, request.grids, strict=True)
            ]
        modalities = request.modalities or [b""] * len(request.inputs)
        inputs = list(zip(request.inputs, modalities, strict=True))
        texts = map_inputs(inputs, partial(self._read_text, options))
        return [Text(index, prompt, text, options) for text in texts]

    def _read_text(self, options: Options, item: tuple[bytes, bytes]) -> str:
        text = _decode(item[0])
        modality = parse_choice(Modality, item[1].decode(errors="replace"), param="modality")
        modality = modality or options.modality or infer_modality(text, self._spec)
        self._spec.validate_modality(modality)
        if modality is not Modality.TEXT:
            # The ensembles for texts of a model that takes images have no image tower.
            raise InvalidRequest(
                f"this Triton model takes texts only, but the modality is '{modality.value}': send "
                f"images to '{triton_model_name(self._spec.model_id)}'",
                param="modality",
            )
        return text

    def _read_token_ids(self, options: Options, item: bytes) -> list[int]:
        ids = self._token_arrays.read(item)
        if self._images:
            self._images.validate_text(ids)
        truncated = self._truncation.truncate(ids, options)
        if self._marks is None:
            return truncated
        return self._marks.mark_ids(truncated, self._spec.prompt(options.input_type))

    def _validate_ids(self, ids: list[int], options: Options, kept: int) -> list[int]:
        """Return the ids of an input, truncated; raise InvalidRequest for an id without weights."""
        if not ids:
            raise InvalidRequest("'input': the text has no tokens", param="input")
        if options.returns_all_tokens:
            return ids
        ids = self._truncation.truncate(ids, options, kept)
        if self._has_foreign_tokens and max(ids) >= self._spec.vocab_size:
            token = self._tokenizer.id_to_token(max(ids))
            raise InvalidRequest(
                f"'input': the text contains the token '{token}', "
                "for which this model has no weights",
                param="input",
            )
        if self._marks is None or options.tokenize_only:
            return ids
        return self._marks.mark_text(ids, self._spec.prompt(options.input_type))


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield consecutive `texts` with at most `MAX_CHUNK_CHARACTERS` together, or a longer one."""
    start = size = 0
    for stop, text in enumerate(texts):
        size += len(text)
        if size > MAX_CHUNK_CHARACTERS and stop > start:
            yield texts[start:stop]
            start, size = stop, len(text)
    if texts:
        yield texts[start:]


def _without_traceback(error: InvalidRequest) -> InvalidRequest:
    """Return `error` without its traceback, which references the encodings of all requests."""
    error.__context__ = None
    return error.with_traceback(None)


def _decode(item: bytes, *, may_be_empty: bool = False) -> str:
    if not item and not may_be_empty:
        raise InvalidRequest("'input' must not be an empty string", param="input")
    validate_text_size(len(item))
    try:
        return item.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"'input' is not valid UTF-8: {error}", param="input") from None
