"""Small trained tokenizers of each kind that the model families use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from triton_embed.export.parity.texts import SENTENCES

SIZE = 600
"""Number of entries of each vocabulary."""

SPECIAL = ("<first>", "<pad>", "<last>", "<unknown>", "<mask>")
"""Special tokens in RoBERTa's order: some families require its padding id, 1."""


def _wordpiece() -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unknown>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer, trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=list(SPECIAL))


def _bytes() -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )


def _unigram() -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=SIZE, special_tokens=list(SPECIAL), unk_token="<unknown>"
    )


KINDS: dict[str, Callable[[], tuple[Tokenizer, trainers.Trainer]]] = {
    "wordpiece": _wordpiece,
    "bytes": _bytes,
    "unigram": _unigram,
}


@cache
def _trained(kind: str) -> str:
    tokenizer, trainer = KINDS[kind]()
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return str(tokenizer.to_str())


def write_tokenizer(folder: Path, kind: str, template: str) -> int:
    """Write a tokenizer's files into `folder` and return the size of its vocabulary.

    Args:
        folder: Destination; created.
        kind: One of `KINDS`.
        template: Special tokens around a text, such as ``<first> $A <last>``.
    """
    tokenizer = Tokenizer.from_str(_trained(kind))
    tokenizer.post_processor = TemplateProcessing(
        single=template, special_tokens=[(token, index) for index, token in enumerate(SPECIAL)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<first>",
        eos_token="<last>",
        unk_token="<unknown>",
        pad_token="<pad>",
        mask_token="<mask>",
    ).save_pretrained(folder)
    return int(tokenizer.get_vocab_size())
