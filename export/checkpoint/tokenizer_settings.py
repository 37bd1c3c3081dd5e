"""Settings of the tokenizer: tokenizer_config.json, completed by the files that go with it."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.settings import Settings, is_unicode
from triton_embed.export.checkpoint.tokenizer_classes import ROLES
from triton_embed.export.checkpoint.transformer_settings import (
    read_transformer_settings,
    tokenizer_arguments,
)

CONFIG_FILE = "tokenizer_config.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"
ADDED_TOKENS_FILE = "added_tokens.json"

TEXTS = ("tokenizer_class",)
TRUTH_VALUES = (
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "do_lower_case",
    "strip_accents",
    "tokenize_chinese_chars",
)
TOKEN_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
"""Attributes of an added token that decide where a text contains it."""

A_TOKEN = "a string, or an object with a string as 'content'"


def read_config(folder: Path) -> dict[str, Any]:
    """Return tokenizer_config.json alone; empty if there is none.

    Raises:
        ExportError: the file is malformed.
    """
    return _checked(folder / CONFIG_FILE)


def read_settings(folder: Path) -> dict[str, Any]:
    """Return tokenizer_config.json, completed by the files that the libraries read with it.

    Raises:
        ExportError: a file is malformed.
    """
    settings = read_config(folder)
    special: dict[str, Any] = {}
    if "added_tokens_decoder" not in settings:
        special = _checked(folder / SPECIAL_TOKENS_FILE)
        if additional := special.get("additional_special_tokens"):
            own = settings.get("additional_special_tokens") or []
            more = [token for token in additional if token not in own]
            special["additional_special_tokens"] = [*own, *more]
    arguments = tokenizer_arguments(read_transformer_settings(folder))
    _check(Settings("sentence_bert_config.json", arguments))
    return {**settings, **special, **arguments}


def read_added_tokens(folder: Path) -> dict[str, int]:
    """Return the ids of added_tokens.json, a file of old versions; empty if there is none.

    Raises:
        ExportError: the file is malformed.
    """
    settings = Settings(ADDED_TOKENS_FILE, read_json(folder / ADDED_TOKENS_FILE, default={}))
    ids = {token: settings.integer(token, 0) for token in settings.values}
    return {token: index for token, index in ids.items() if index is not None}


def max_length(folder: Path) -> int:
    """Return the maximum tokens of a text; `sys.maxsize` if tokenizer_config.json sets none.

    Raises:
        ExportError: it is not a positive number.
    """
    settings = Settings(CONFIG_FILE, read_config(folder))
    length = settings.values.get("model_max_length")
    if length is None:
        return sys.maxsize
    # transformers writes 1e30 for "unlimited".
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    if not is_number or math.isnan(length) or length < 1:
        raise settings.error("model_max_length", "a number of tokens")
    return int(min(length, sys.maxsize))


def _checked(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = read_json(path, default={})
    _check(Settings(path.name, values))
    return values


def _check(settings: Settings) -> None:
    """Raise ExportError if a value that is read later is malformed."""
    for key in TEXTS:
        settings.text(key)
    for key in TRUTH_VALUES:
        settings.flag(key)
    for key in ROLES:
        value = settings.values.get(key)
        if value is not None and not _is_token(value):
            raise settings.error(key, A_TOKEN)
    key = "additional_special_tokens"
    additional = settings.values.get(key) or []
    if not isinstance(additional, list) or not all(map(_is_token, additional)):
        raise settings.error(key, f"a list, each entry {A_TOKEN}")
    decoder = settings.object("added_tokens_decoder")
    for index, token in decoder.items():
        if not (index.isdecimal() and isinstance(token, dict) and _is_token(token)):
            raise Settings(f"{settings.file}: added_tokens_decoder", decoder).error(
                index, "an object with a string as 'content', under its id"
            )


def _is_token(value: Any) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, str) and is_unicode(value)
    content = value.get("content")
    flags = (value.get(flag, False) for flag in TOKEN_FLAGS)
    return isinstance(content, str) and _is_token(content) and all(type(f) is bool for f in flags)
