"""The table of tokenizer layouts: files as checkpoints have them, right, old or contradictory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from testing import handmade_tokenizers as handmade
from testing.checkpoints import write_json
from testing.formula_weights import MAX_TOKENS, write_checkpoint

Json = dict[str, Any]

KINDS: Mapping[str, Callable[[], Tokenizer]] = {
    "wordpiece": handmade.wordpiece,
    "unigram": handmade.unigram,
    "byte-fallback": handmade.byte_fallback,
    "byte-level": handmade.byte_level,
}

SPARE_IDS = 8
"""Rows of the token table without a token, as in most published models."""


@dataclass(frozen=True)
class Layout:
    """The files of one checkpoint.

    Attributes:
        kind: A key of `KINDS`: tokenizer.json before `edit`.
        difference: The trait of the layout, for the table in the documentation.
        settings: tokenizer_config.json; ``None``: there is none.
        architecture: A key of `formula_weights.CONFIGS`.
        edit: Changes the content of tokenizer.json.
        files: Further files of the folder, by name: JSON, or text.
        without_tokenizer_json: Whether tokenizer.json is left out.
    """

    kind: str
    difference: str
    settings: Json | None
    architecture: str = "bert"
    edit: Callable[[Json], None] = lambda tokenizer: None
    files: Mapping[str, Any] = field(default_factory=dict)
    without_tokenizer_json: bool = False

    @property
    def weights(self) -> tuple[str, str]:
        """The traits on which the weights depend."""
        return self.kind, self.architecture

    def write(self, folder: Path) -> None:
        """Write the checkpoint into `folder`."""
        tokenizer = KINDS[self.kind]()
        write_checkpoint(folder, self.architecture, tokenizer.get_vocab_size() + SPARE_IDS)
        content = json.loads(tokenizer.to_str())
        self.edit(content)
        if not self.without_tokenizer_json:
            write_json(folder / "tokenizer.json", content)
        if self.settings is not None:
            write_json(folder / "tokenizer_config.json", self.settings)
        for name, value in self.files.items():
            if isinstance(value, str):
                (folder / name).write_text(value, encoding="utf-8")
            else:
                write_json(folder / name, value)


def _names(**tokens: str) -> Json:
    return {f"{role}_token": token for role, token in tokens.items()}


BERT = _names(cls="[CLS]", sep="[SEP]", unk="[UNK]", pad="[PAD]", mask="[MASK]")
ROBERTA = _names(
    bos="<s>", eos="</s>", cls="<s>", sep="</s>", unk="<unk>", pad="<pad>", mask="<mask>"
)
LLAMA = _names(bos="<s>", eos="</s>", unk="<unk>", pad="</s>")


def _class(name: str, special: Json, **settings: Any) -> Json:
    return {"tokenizer_class": name, **special, **settings}


def _cased(tokenizer: Json) -> None:
    tokenizer["normalizer"]["lowercase"] = False


def _prefix_space(tokenizer: Json) -> None:
    tokenizer["pre_tokenizer"]["add_prefix_space"] = True


def _first_and_last(tokenizer: Json) -> None:
    tokenizer["post_processor"] = handmade.template("<s> $A </s>", handmade.BYTE_FALLBACK_SPECIAL)


def _last_of_bytes(tokenizer: Json) -> None:
    tokenizer["post_processor"] = handmade.template("$A </s>", handmade.BYTE_LEVEL_SPECIAL)


def _added(content: str, **flags: bool) -> Json:
    flags = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False} | flags
    return {"content": content, "special": False, **flags}


def _plain_fox(tokenizer: Json) -> None:
    """Add a token that is a word of the texts, without its flags."""
    index = max(token["id"] for token in tokenizer["added_tokens"])
    size = len(tokenizer["model"]["vocab"])
    assert index < size
    tokenizer["added_tokens"].append({"id": size, **_added("fox")})


WORDPIECE = handmade.wordpiece().get_vocab()
BYTE_LEVEL = json.loads(handmade.byte_level().to_str())["model"]

LAYOUTS: dict[str, Layout] = {
    "wordpiece-own-class": Layout(
        "wordpiece", "`BertTokenizer`", _class("BertTokenizer", BERT, do_lower_case=True)
    ),
    "wordpiece-generic-class": Layout(
        "wordpiece", "`PreTrainedTokenizerFast`", _class("PreTrainedTokenizerFast", BERT)
    ),
    "wordpiece-wrong-class": Layout(
        "wordpiece", "`XLMRobertaTokenizer`", _class("XLMRobertaTokenizer", BERT)
    ),
    "wordpiece-cased-by-config": Layout(
        "wordpiece",
        "tokenizer.json lower-cases, `do_lower_case` is false",
        _class("BertTokenizer", BERT, do_lower_case=False, strip_accents=False),
    ),
    "wordpiece-cased-by-file": Layout(
        "wordpiece",
        "tokenizer.json does not lower-case, tokenizer_config.json is silent",
        _class("BertTokenizer", BERT),
        edit=_cased,
    ),
    "wordpiece-without-config": Layout("wordpiece", "no tokenizer_config.json", None),
    "wordpiece-from-vocabulary": Layout(
        "wordpiece",
        "`vocab.txt` alone, `do_lower_case` is false",
        _class("BertTokenizer", BERT, do_lower_case=False),
        files={"vocab.txt": "\n".join(sorted(WORDPIECE, key=WORDPIECE.__getitem__))},
        without_tokenizer_json=True,
    ),
    "unigram-own-class": Layout(
        "unigram", "`XLMRobertaTokenizer`", _class("XLMRobertaTokenizer", ROBERTA)
    ),
    "unigram-generic-class": Layout(
        "unigram", "`PreTrainedTokenizerFast`", _class("PreTrainedTokenizerFast", ROBERTA)
    ),
    "unigram-wrong-class": Layout(
        "unigram", "`BertTokenizer`", _class("BertTokenizer", ROBERTA, do_lower_case=True)
    ),
    "unigram-without-class": Layout("unigram", "BERT weights, no `tokenizer_class`", ROBERTA),
    "byte-fallback-with-eos": Layout(
        "byte-fallback",
        "`LlamaTokenizer`, `add_eos_token` true, a template with `<s>` only",
        _class("LlamaTokenizer", LLAMA, add_bos_token=True, add_eos_token=True),
        architecture="mistral",
    ),
    "byte-fallback-silent": Layout(
        "byte-fallback",
        "`LlamaTokenizer` without `add_…_token`, a template with `<s>` and `</s>`",
        _class("LlamaTokenizer", LLAMA),
        edit=_first_and_last,
        architecture="mistral",
    ),
    "byte-fallback-without-bos": Layout(
        "byte-fallback",
        "`LlamaTokenizerFast`, `add_bos_token` false, a template with `<s>`",
        _class("LlamaTokenizerFast", LLAMA, add_bos_token=False, add_eos_token=True),
        architecture="mistral",
    ),
    "byte-fallback-generic-class": Layout(
        "byte-fallback",
        "`PreTrainedTokenizerFast`, `add_eos_token` true, which it does not read",
        _class("PreTrainedTokenizerFast", LLAMA, add_eos_token=True),
        architecture="mistral",
    ),
    "byte-fallback-wrong-class": Layout(
        "byte-fallback",
        "`GPT2Tokenizer`, `add_bos_token` false, which it does not read",
        _class("GPT2Tokenizer", LLAMA, add_bos_token=False),
        architecture="mistral",
    ),
    "byte-level-own-class": Layout(
        "byte-level",
        "`RobertaTokenizer`, normalizer NFC",
        _class("RobertaTokenizer", ROBERTA, add_prefix_space=False),
    ),
    "byte-level-generic-class": Layout(
        "byte-level",
        "`PreTrainedTokenizerFast`, normalizer NFC",
        _class("PreTrainedTokenizerFast", ROBERTA),
    ),
    "byte-level-wrong-class": Layout(
        "byte-level",
        "`LlamaTokenizer`, `add_bos_token` false, a template with `</s>`",
        _class("LlamaTokenizer", ROBERTA, add_bos_token=False, add_eos_token=False),
        edit=_last_of_bytes,
        architecture="mistral",
    ),
    "byte-level-with-prefix-space": Layout(
        "byte-level",
        "`RobertaTokenizer`, `add_prefix_space` true, in tokenizer.json false",
        _class("RobertaTokenizer", ROBERTA, add_prefix_space=True),
    ),
    "byte-level-silent-prefix-space": Layout(
        "byte-level",
        "`RobertaTokenizer` without `add_prefix_space`, in tokenizer.json true",
        _class("RobertaTokenizer", ROBERTA),
        edit=_prefix_space,
    ),
    "byte-level-in-lower-case": Layout(
        "byte-level",
        "`do_lower_case` of sentence_bert_config.json is true",
        _class("RobertaTokenizer", ROBERTA),
        files={"sentence_bert_config.json": {"max_seq_length": MAX_TOKENS, "do_lower_case": True}},
    ),
    "byte-level-from-vocabulary": Layout(
        "byte-level",
        "`RobertaTokenizer`, `vocab.json` and `merges.txt`, without tokenizer.json",
        _class("RobertaTokenizer", ROBERTA, add_prefix_space=True),
        files={
            "vocab.json": BYTE_LEVEL["vocab"],
            "merges.txt": "\n".join(["#version: 0.2", *map(" ".join, BYTE_LEVEL["merges"])]),
        },
        without_tokenizer_json=True,
    ),
    "added-token-with-lstrip": Layout(
        "byte-level",
        "`added_tokens_decoder` sets `lstrip` of a token of tokenizer.json",
        _class(
            "PreTrainedTokenizerFast",
            ROBERTA,
            added_tokens_decoder={
                str(len(handmade.byte_level().get_vocab())): _added("fox", lstrip=True)
            },
        ),
        edit=_plain_fox,
    ),
    "added-token-by-config": Layout(
        "unigram",
        "`added_tokens_decoder` has a token that tokenizer.json lacks",
        _class(
            "XLMRobertaTokenizer",
            ROBERTA,
            added_tokens_decoder={
                **{
                    str(index): {**_added(token, lstrip=token == "<mask>"), "special": True}
                    for token, index in handmade.UNIGRAM_SPECIAL.items()
                },
                str(handmade.unigram().get_vocab_size()): _added("fox", lstrip=True, rstrip=True),
            },
        ),
    ),
    "special-tokens-map": Layout(
        "wordpiece",
        "special_tokens_map.json names a token that no other file has",
        _class("BertTokenizer", BERT),
        files={"special_tokens_map.json": {**BERT, "additional_special_tokens": ["fox"]}},
    ),
}
"""The layouts, by name."""

EXPORTED = (
    "wordpiece-cased-by-config",
    "wordpiece-from-vocabulary",
    "unigram-wrong-class",
    "byte-fallback-with-eos",
    "byte-level-wrong-class",
    "byte-level-with-prefix-space",
    "added-token-with-lstrip",
)
"""Layouts that tests export and serve: every kind with every architecture that it has. The others
differ from one of them in their tokenizer only, and an export takes seconds."""

TEXTS = (
    "a",
    "Hello world",
    "What is the population of Pittsburgh?",
    "The quick  brown fox jumps over the lazy dog",
    "Où se trouve la bibliothèque, s'il vous plaît?",
    "Der braune Fuchs springt über den Hund.",
    "Все люди рождаются свободными",
    "人人生而自由 ﬁ Ａ",
    "The encoder <mask> and [MASK] fox<mask> foxes",
    "[CLS] [SEP] <s> </s> <pad> <unk>",
    "def f(x: int) -> int: return x ** 2",
    "🙂 emoji and the fox",
    "the encoder should cost time " * 12 + "fox",
)
"""Texts of the recordings. None begins or ends with a blank: sentence-transformers removed such
blanks up to version 5."""
