"""Excerpts of long texts: the kept tokens equal those of the whole text."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

from testing.minilm import minilm_checkpoint
from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request
from triton_embed.backends.tokenizer.excerpts import Excerpts
from triton_embed.backends.tokenizer.truncation import Truncation
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import InputType, Options, Truncate
from triton_embed.contract.spec import ModelSpec

CORPUS = [
    "the quick brown fox jumps over the lazy dog; vectors of 1024 numbers are searched quickly",
    "Die Bücher, größer als zuvor: übermäßig viele Wörter für einen Satz.",
    "def embed(text): return model(text)  # 42",
] * 20

SPECIAL = ["<s>", "</s>", "<unk>"]

SPEC = ModelSpec("m", 16, 50_000, 4, prompt_query="query: ", prompt_passage="")

WORDS = st.sampled_from(
    [
        *("the", "quick", "vectors", "Bücher", "größer", "embed", "42", "x", "中文", "naïve", "I"),
        *(",", ".", "\n", "  ", "\t", "-", "…", "z" * 150, "e\u0301", "\u00a0", "🙂", "ﬁ"),
    ]
)

TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", " ", ""])), min_size=1).map(
    lambda parts: "".join(word + space for word, space in parts)
)


def _minilm() -> Tokenizer:
    return Tokenizer.from_file(str(minilm_checkpoint() / "tokenizer.json"))


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=500, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        ),
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


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"BPE across words"}))
@pytest.mark.parametrize("truncate", [Truncate.START, Truncate.END])
def test_excerpt_is_a_small_part_of_a_long_text(kind: str, truncate: Truncate) -> None:
    excerpts = Excerpts(make(kind), SPEC.max_tokens)
    excerpt = excerpts.excerpt("p: ", "some words " * 10**5, truncate, excerpts.first_size)
    assert not excerpt.is_whole
    assert len(excerpt.text) <= excerpts.first_size + len("p: some words")
    assert excerpt.text.startswith("p: ")


def test_tokens_across_words_need_the_whole_text() -> None:
    excerpts = Excerpts(make("BPE across words"), SPEC.max_tokens)
    text = "the quick brown " * 10**4
    assert excerpts.excerpt("", text, Truncate.END, 100).is_whole


def test_text_without_spaces_needs_the_whole_text() -> None:
    excerpts = Excerpts(make("WordPiece"), SPEC.max_tokens)
    for truncate in (Truncate.START, Truncate.END):
        assert excerpts.excerpt("", "z" * 10**4, truncate, 100).is_whole


def test_long_words_are_followed_by_a_longer_excerpt() -> None:
    tokenizer = make("WordPiece")
    text = ("z" * 100 + " ") * 10**4
    options = Options(InputType.QUERY, Truncate.END)
    assert encode(tokenizer, text, options) == encode_whole(tokenizer, text, options)
    spec = replace(SPEC, max_tokens=10**5)
    (rows,) = BatchTokenizer(tokenizer, spec).encode([Request([text.encode()], options)])
    assert not isinstance(rows, InvalidRequest)
    assert len(rows[0]) > 10**4
