"""Tokenizers of the four kinds, made by rule, so that every machine makes the same files."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

TEXT = (
    "the quick brown fox jumps over the lazy dog and the encoder should cost time what is a city "
    "of people in Pittsburgh The population Hello world Der braune Fuchs springt über den Hund "
    "Où se trouve bibliothèque municipale El perro de San Roque no tiene rabo all human beings are "
    "born free return def int id name FROM users WHERE"
)

WORDS = TEXT.split()
"""The words that the vocabularies are made of."""

LETTERS = sorted(set("".join(WORDS)) | set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
SIGNS = list("0123456789.,:;!?'-_()<>[]/|*=+éèüß人生自由БВЛлюдиا")
MERGES = 150
"""Number of merges of a BPE vocabulary."""

TokenIds = dict[str, int]
"""Special tokens and their ids."""

WORDPIECE_SPECIAL: TokenIds = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
UNIGRAM_SPECIAL: TokenIds = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
BYTE_FALLBACK_SPECIAL: TokenIds = {"<unk>": 0, "<s>": 1, "</s>": 2}
BYTE_LEVEL_SPECIAL: TokenIds = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}


def wordpiece() -> Tokenizer:
    """Return a WordPiece tokenizer like BERT's, in lower case."""
    pieces = [*LETTERS, *SIGNS, *(f"##{sign}" for sign in (*LETTERS, *SIGNS)), *WORDS]
    pieces += [word.lower() for word in WORDS]
    tokenizer = Tokenizer(models.WordPiece(_ids(WORDPIECE_SPECIAL, pieces), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _finished(tokenizer, WORDPIECE_SPECIAL, "[CLS] $A [SEP]")


def unigram() -> Tokenizer:
    """Return a Unigram tokenizer like XLM-RoBERTa's, with a normalizer."""
    words = Counter(WORDS)
    pieces = [(f"▁{word}", -4.0 - rank / 64) for rank, word in enumerate(sorted(words))]
    pieces += [(sign, -9.0 - rank / 64) for rank, sign in enumerate(("▁", *LETTERS, *SIGNS))]
    vocabulary = [(token, 0.0) for token in UNIGRAM_SPECIAL] + pieces
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=UNIGRAM_SPECIAL["<unk>"]))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return _finished(tokenizer, UNIGRAM_SPECIAL, "<s> $A </s>")


def byte_fallback() -> Tokenizer:
    """Return a BPE tokenizer with byte fallback, like Llama's and Mistral's."""
    signs = [f"<0x{value:02X}>" for value in range(256)]
    merges, merged = _merges([f"▁{word}" for word in WORDS])
    pieces = [*signs, "▁", *LETTERS, *merged]
    model = models.BPE(
        _ids(BYTE_FALLBACK_SPECIAL, pieces),
        merges,
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return _finished(tokenizer, BYTE_FALLBACK_SPECIAL, "<s> $A")


def byte_level(*, add_prefix_space: bool = False) -> Tokenizer:
    """Return a byte-level BPE tokenizer like RoBERTa's, with a normalizer as Qwen's has."""
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
    words = [piece for word in WORDS for piece, _ in spelled.pre_tokenize_str(word)]
    merges, merged = _merges(words)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(_ids(BYTE_LEVEL_SPECIAL, [*alphabet, *merged]), merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    return _finished(tokenizer, BYTE_LEVEL_SPECIAL, "<s> $A </s>")


def template(content: str, special: TokenIds) -> dict[str, Any]:
    """Return the ``post_processor`` of a tokenizer.json, from a template such as ``<s> $A``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.post_processor = TemplateProcessing(
        single=content, special_tokens=list(special.items())
    )
    processor: dict[str, Any] = json.loads(tokenizer.to_str())["post_processor"]
    return processor


def _ids(special: TokenIds, pieces: Iterable[str]) -> dict[str, int]:
    return {piece: index for index, piece in enumerate(dict.fromkeys([*special, *pieces]))}


def _finished(tokenizer: Tokenizer, special: TokenIds, content: str) -> Tokenizer:
    tokenizer.add_special_tokens(list(special))
    tokenizer.post_processor = TemplateProcessing(
        single=content, special_tokens=list(special.items())
    )
    return tokenizer


def _merges(words: Iterable[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the most frequent merges, ties in the order of the alphabet, and their results."""
    spelled = [list(word) for word in words]
    merges: list[tuple[str, str]] = []
    for _ in range(MERGES):
        pairs = Counter(pair for word in spelled for pair in itertools.pairwise(word))
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelled = [_merged(word, best) for word in spelled]
    return merges, ["".join(pair) for pair in merges]


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    for sign in word:
        if result and (result[-1], sign) == pair:
            result[-1] += sign
        else:
            result.append(sign)
    return result
