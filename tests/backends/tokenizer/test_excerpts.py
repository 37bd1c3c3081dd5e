"""Excerpts of long texts: the kept tokens equal those of the whole text."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

from testing.minilm import minilm_checkpoint
from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request
from triton_embed.backends.tokenizer.excerpts import CHARACTERS_PER_TOKEN, Excerpts
from triton_embed.backends.tokenizer.truncation import Truncation
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import InputType, Options, Truncate
from triton_embed.contract.spec import ModelSpec

CORPUS = [
    "the quick brown fox jumps over the lazy dog; vectors of 1024 numbers are searched quickly",
    "Die Bücher, größer als zuvor: übermäßig viele Wörter für einen Satz.",
    "def embed(text): return model(text)  # 42",
    "向量检索把文本变成数字，然后比较这些数字。東京タワーはとても高いです。",
    "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQ= 서울은 한국의 수도입니다",
] * 20

SPECIAL = ["<s>", "</s>", "<unk>"]

SPEC = ModelSpec("m", 16, 50_000, 4, prompt_query="query: ", prompt_passage="")

WORDS = st.sampled_from(
    [
        *("the", "quick", "vectors", "Bücher", "größer", "embed", "42", "x", "中文", "naïve", "I"),
        *(
            "向量检索把文本变成数字",
            "東京タワーはとても高い",
            "서울은한국의수도",
            "aGVsbG8gd29ybGQ",
            "zz",
        ),
        *(
            "I'llama",
            "they'really",
            "１２３ＡＢＣ",
            "ガギ",
            "𠀀𠀁",
            "123456789",
            "[MASK]",
            "</s>",
            "ŀé",
        ),
        *(",", ".", "\n", "  ", "\t", "-", "…", "z" * 150, "e\u0301", "\u00a0", "🙂", "ﬁ"),
    ]
)

TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", " ", ""])), min_size=1).map(
    lambda parts: "".join(word + space for word, space in parts)
)


def _minilm() -> Tokenizer:
    return Tokenizer.from_file(str(minilm_checkpoint() / "tokenizer.json"))


def _trained_on_bytes(tokenizer: Tokenizer, vocab_size: int) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return _trained_on_bytes(tokenizer, 500)


def _cl100k() -> Tokenizer:
    """Return a tokenizer with the regular expression of Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.normalizer = normalizers.NFC()
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return _trained_on_bytes(tokenizer, 600)


def _sentencepiece_bpe() -> Tokenizer:
    """Return a tokenizer like Gemma's and Mistral's: Metaspace, and bytes of unknown letters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.train_from_iterator(
        [text.replace(" ", "▁") for text in CORPUS],
        trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False),
    )
    return tokenizer


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(
            vocab_size=200, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
        ),
    )
    return tokenizer


def _without_pre_tokenizer() -> Tokenizer:
    """Return a tokenizer like Llama 2's: one pre-token, with tokens that begin with a space."""
    trained = _byte_level()
    vocabulary = {"<unk>": 0, "▁": 1, "<s>": 2, "</s>": 3}
    for character in sorted({character for text in CORPUS for character in text} - {" "}):
        vocabulary[character] = len(vocabulary)
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("e", "r"), ("▁", "q"), ("▁", "▁")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    trained.model = models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True)
    trained.pre_tokenizer = None
    trained.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return trained


def _across_words() -> Tokenizer:
    """Return a tokenizer with tokens of several words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False),
    )
    return tokenizer


KINDS = {
    "WordPiece": _minilm,
    "byte-level BPE": _byte_level,
    "byte-level BPE with groups of digits": _cl100k,
    "SentencePiece BPE": _sentencepiece_bpe,
    "Unigram": _unigram,
    "BPE without pre-tokenizer": _without_pre_tokenizer,
    "BPE across words": _across_words,
}


@cache
def make(kind: str) -> Tokenizer:
    tokenizer = KINDS[kind]()
    if kind != "WordPiece":
        tokenizer.post_processor = TemplateProcessing(
            single="<s> $A </s>",
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
        )
    return tokenizer


def encode(tokenizer: Tokenizer, text: str, options: Options) -> list[int] | str:
    (result,) = BatchTokenizer(tokenizer, SPEC).encode([Request([text.encode()], options)])
    if isinstance(result, InvalidRequest):
        return result.code or ""
    (ids,) = result
    return ids


def encode_whole(tokenizer: Tokenizer, text: str, options: Options) -> list[int] | str:
    tokenizer.no_truncation()
    ids = tokenizer.encode(SPEC.prompt(options.input_type) + text).ids
    try:
        return Truncation(tokenizer, SPEC).truncate(ids, options)
    except InvalidRequest as error:
        return error.code or ""


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=TEXTS, repeated=st.integers(1, 200), truncate=st.sampled_from(Truncate))
def test_kept_tokens_are_those_of_the_whole_text(
    kind: str, text: str, repeated: int, truncate: Truncate
) -> None:
    tokenizer = make(kind)
    options = Options(InputType.QUERY, truncate)
    long = text * repeated
    assert encode(tokenizer, long, options) == encode_whole(tokenizer, long, options)


WITHOUT_SPACES = {
    "Chinese": "向量检索把文本变成数字然后比较这些数字" * 10**4,
    "Japanese": "東京タワーはとても高いです向量检索把文本变成数字" * 10**4,
    "base64": b64encode(Random(0).randbytes(10**5)).decode(),
    "endless word": "z" * 10**5,
    "spaces": "a" + " " * 10**5,
    "punctuation": "." * 10**5,
}

BOUNDED = {
    "WordPiece": set(WITHOUT_SPACES),
    "byte-level BPE": {"Chinese", "Japanese", "base64"},
    "byte-level BPE with groups of digits": {"Chinese", "Japanese", "base64"},
    "Unigram": {"Chinese", "Japanese", "base64"},
}
"""The texts without spaces of which each kind of tokenizer needs only a part."""


@pytest.mark.parametrize("text", WITHOUT_SPACES)
@pytest.mark.parametrize("truncate", Truncate)
@pytest.mark.parametrize("kind", BOUNDED)
def test_text_without_spaces_needs_a_small_part(kind: str, truncate: Truncate, text: str) -> None:
    excerpts = Excerpts(make(kind))
    long = WITHOUT_SPACES[text]
    condensed = excerpts.condense(long, SPEC.max_tokens)
    excerpt = excerpts.excerpt("p: ", condensed, truncate, SPEC.max_tokens)
    # Another end of Unigram's paths would change the rounding of their sums.
    if text in BOUNDED[kind] and not (kind == "Unigram" and truncate is Truncate.START):
        assert len(excerpt.text) < 1000
    options = Options(InputType.QUERY, truncate)
    tokenizer = make(kind)
    assert encode(tokenizer, long, options) == encode_whole(tokenizer, long, options)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"BPE across words", "SentencePiece BPE"}))
@pytest.mark.parametrize("truncate", [Truncate.START, Truncate.END])
def test_excerpt_is_a_small_part_of_a_long_text(kind: str, truncate: Truncate) -> None:
    excerpts = Excerpts(make(kind))
    excerpt = excerpts.excerpt("p: ", "some words " * 10**5, truncate, SPEC.max_tokens)
    assert not excerpt.is_whole
    assert len(excerpt.text) <= CHARACTERS_PER_TOKEN * SPEC.max_tokens + len("p: some words")
    assert excerpt.text.startswith("p: ")


def test_tokens_across_words_need_the_whole_text() -> None:
    excerpts = Excerpts(make("BPE across words"))
    text = "the quick brown " * 10**4
    assert excerpts.excerpt("", text, Truncate.END, 16).is_whole


@pytest.mark.parametrize("truncate", [Truncate.START, Truncate.END])
def test_excerpt_does_not_end_within_an_added_token(truncate: Truncate) -> None:
    tokenizer = Tokenizer.from_str(make("WordPiece").to_str())
    tokenizer.add_tokens(["[数字 数字]", "字,数"])
    text = "字,数 数字] [数字" * 10**4
    options = Options(InputType.QUERY, truncate)
    assert encode(tokenizer, text, options) == encode_whole(tokenizer, text, options)


def test_limit_of_the_input_type_bounds_the_excerpt() -> None:
    spec = replace(SPEC, max_tokens=4096, max_tokens_query=8)
    tokenizer = CountingTokenizer(make("WordPiece"))
    (rows,) = BatchTokenizer(tokenizer, spec).encode(  # type: ignore[arg-type]
        [Request([b"some words " * 10**4], Options(InputType.QUERY, Truncate.END))]
    )
    assert not isinstance(rows, InvalidRequest) and len(rows[0]) == 8
    assert tokenizer.characters < 200


class CountingTokenizer:
    """Counts the characters that a tokenizer reads in batches."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.characters = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode_batch_fast(self, texts: list[str]) -> Any:
        self.characters += sum(map(len, texts))
        return self._tokenizer.encode_batch_fast(texts)


def test_long_words_are_followed_by_a_longer_excerpt() -> None:
    tokenizer = make("WordPiece")
    text = ("z" * 100 + " ") * 10**4
    options = Options(InputType.QUERY, Truncate.END)
    assert encode(tokenizer, text, options) == encode_whole(tokenizer, text, options)
    spec = replace(SPEC, max_tokens=10**5)
    (rows,) = BatchTokenizer(tokenizer, spec).encode([Request([text.encode()], options)])
    assert not isinstance(rows, InvalidRequest)
    assert len(rows[0]) > 10**4
