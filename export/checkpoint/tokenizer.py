"""The tokenizer that a checkpoint's files define: tokenizer.json, then tokenizer_config.json.

The rule is that of the libraries with which checkpoints were trained and published: transformers
4.57 and sentence-transformers 5.1, whose token ids `tests/export/judge` records. The
tokenizer class that the files name matters only where it reads a setting or has a default for it;
nothing of tokenizer.json is rebuilt from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers

from triton_embed.export.checkpoint.added_tokens import add_tokens, special_token_names
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.checkpoint.tokenizer_classes import (
    CLASS_BY_MODEL_TYPE,
    CLASSES,
    GENERIC,
    PYTHON_ONLY,
    TokenizerClass,
)
from triton_embed.export.checkpoint.tokenizer_settings import read_config, read_settings
from triton_embed.export.checkpoint.tokenizer_template import (
    around,
    check_template,
    described,
    set_template,
    unread_settings,
    with_tokens,
)
from triton_embed.export.checkpoint.transformer_settings import read_transformer_settings
from triton_embed.export.errors import ExportError, one_line

FILE, CONFIG = "file", "config"
"""Values of ``--tokenizer``: tokenizer.json as it is, or with tokenizer_config.json applied."""

PANIC = "PanicException"
"""Class of a panic of a library in Rust, a subclass of BaseException that cannot be imported
(https://pyo3.rs/main/doc/pyo3/panic/struct.panicexception)."""

REMEDY = "'--tokenizer file' exports tokenizer.json as it is"
"""The way to undo a change, for the notes."""


@dataclass(frozen=True)
class TokenizerOptions:
    """The flags that override the rule.

    Attributes:
        source: `FILE` or `CONFIG`.
        add_bos_token: Whether the bos token precedes each text; ``None``: as the files define.
        add_eos_token: Whether the eos token follows each text; ``None``: as the files define.
    """

    source: str = CONFIG
    add_bos_token: bool | None = None
    add_eos_token: bool | None = None


@dataclass(frozen=True)
class CheckpointTokenizer:
    """The outcome of the rule.

    Attributes:
        content: The tokenizer in the format of tokenizer.json.
        changes: Its differences from the checkpoint's tokenizer.json, one sentence each.
        notes: `changes` and contradictions that have no effect, as warnings for the user.
        padding_id: The token for padding, for models that attend to it; ``None``: there is none.
        whole: `content` with the tokens that stand for parts of an image; ``None``: it has none.
    """

    content: str
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    padding_id: int | None = None
    whole: str | None = None

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of `content`, in hexadecimal."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass
class _Draft:
    """A tokenizer to which settings are being applied."""

    tokenizer: Tokenizer
    settings: dict[str, Any]
    kind: TokenizerClass
    class_name: str
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_tokenizer(
    checkpoint: Checkpoint, vocab_size: int, options: TokenizerOptions
) -> CheckpointTokenizer:
    """Return the tokenizer of `checkpoint`, whose tokenizer files are on disk.

    Args:
        checkpoint: The checkpoint.
        vocab_size: Rows of the transformer's token table.
        options: The user's overrides.

    Raises:
        ExportError: a file is malformed, or a flag needs a token that no file names.
    """
    try:
        return _read(checkpoint, vocab_size, options)
    except ExportError:
        raise
    # The tokenizers library raises plain Exception; its panics are not of that class.
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        folder = checkpoint.transformer
        name = "tokenizer.json" if (folder / "tokenizer.json").is_file() else "the tokenizer"
        raise ExportError(f"{name} in '{folder}' cannot be read: {one_line(error)}") from error


def _read(
    checkpoint: Checkpoint, vocab_size: int, options: TokenizerOptions
) -> CheckpointTokenizer:
    folder = checkpoint.transformer
    name = tokenizer_class(folder, checkpoint.config)
    settings = read_settings(folder) if options.source == CONFIG else {}
    kind = _class(name) if options.source == CONFIG else GENERIC
    draft = _Draft(_load(folder), settings, kind, name or "no tokenizer class")
    if options.source == CONFIG:
        draft.changes += add_tokens(draft.tokenizer, folder, settings, kind, vocab_size)
        _apply_normalizer(draft)
        _apply_prefix_space(draft)
        _apply_lower_case(draft, folder)
    names = special_token_names(read_settings(folder), _class(name))
    _apply_template(draft, options, names)
    _check_encoding(draft.tokenizer, vocab_size)
    padding = names.get("pad_token")
    return CheckpointTokenizer(
        content=draft.tokenizer.to_str(),
        changes=tuple(draft.changes),
        notes=(*(f"{change} ({REMEDY})" for change in draft.changes), *draft.notes),
        padding_id=draft.tokenizer.token_to_id(padding) if padding else None,
    )


def _check_encoding(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Encode a text; an unknown character fails if the unknown token is not in the vocabulary.

    Raises:
        ExportError: the model has no row for a token.
    """
    max_id = max(tokenizer.encode("a \N{CUNEIFORM SIGN A}").ids, default=0)
    if max_id >= vocab_size:
        raise ExportError(
            f"tokenizer.json gives a text the id {max_id}, but vocab_size of config.json is "
            f"{vocab_size}"
        )


def tokenizer_class(folder: Path, config: dict[str, Any]) -> str:
    """Return the name of the tokenizer class, as the files have it; empty if none is known.

    Args:
        folder: The folder with tokenizer_config.json.
        config: The content of config.json.
    """
    name = (
        read_config(folder).get("tokenizer_class")
        or Settings("config.json", config).text("tokenizer_class")
        or CLASS_BY_MODEL_TYPE.get(str(config.get("model_type")), "")
    )
    return str(name)


def check_class(folder: Path, config: dict[str, Any]) -> None:
    """Raise ExportError if the checkpoint's tokenizer exists as Python code only."""
    if (name := tokenizer_class(folder, config)).removesuffix("Fast") in PYTHON_ONLY:
        raise ExportError(
            f"tokenizer_class '{name}' is not supported: it tokenizes in Python and has no fast "
            "tokenizer, whose tokenizer.json could be served"
        )


def _class(name: str) -> TokenizerClass:
    return CLASSES.get(name.removesuffix("Fast"), GENERIC)


def _load(folder: Path) -> Tokenizer:
    """Return the tokenizer of tokenizer.json, or as transformers makes it from a vocabulary."""
    path = folder / "tokenizer.json"
    if path.is_file():
        tokenizer = Tokenizer.from_file(str(path))
        check_template(tokenizer)
    else:
        from transformers import AutoTokenizer

        converted = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        tokenizer = converted.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _apply_normalizer(draft: _Draft) -> None:
    """Apply lower-casing and its companions to a BertNormalizer; no other has these settings."""
    state = _state(draft.tokenizer.normalizer)
    if state.pop("type", None) != "BertNormalizer":
        return
    wanted = {
        key: draft.settings.get(setting, default)
        for key, (setting, default) in draft.kind.normalizer.items()
    }
    for key, value in wanted.items():
        if state[key] != value:
            source = _source(draft, draft.kind.normalizer[key][0])
            draft.changes.append(
                f"the normalizer's {key} is {json.dumps(state[key])} in tokenizer.json; "
                f"{json.dumps(value)} is used because of {source}"
            )
    if not state.items() >= wanted.items():
        draft.tokenizer.normalizer = normalizers.BertNormalizer(**{**state, **wanted})


def _apply_prefix_space(draft: _Draft) -> None:
    """Apply ``add_prefix_space`` to a byte-level tokenizer; others have it in their normalizer."""
    if draft.kind.add_prefix_space is None:
        return
    state = _state(draft.tokenizer.pre_tokenizer)
    value = draft.settings.get("add_prefix_space", draft.kind.add_prefix_space)
    if state.pop("type", None) != "ByteLevel" or value in (None, state["add_prefix_space"]):
        return
    draft.changes.append(
        f"add_prefix_space is {json.dumps(state['add_prefix_space'])} in tokenizer.json; "
        f"{json.dumps(value)} is used because of {_source(draft, 'add_prefix_space')}"
    )
    draft.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(**{**state, "add_prefix_space": value})


def _apply_lower_case(draft: _Draft, folder: Path) -> None:
    """Apply ``do_lower_case`` of sentence-transformers, which lower-cases before all else."""
    if not read_transformer_settings(folder).get("do_lower_case"):
        return
    normalizer = draft.tokenizer.normalizer
    state = _state(normalizer)
    if state.get("lowercase") or state.get("type") == "Lowercase":
        return
    steps = [normalizers.Lowercase(), *([] if normalizer is None else [normalizer])]
    draft.tokenizer.normalizer = normalizers.Sequence(steps)
    draft.changes.append(
        "tokenizer.json does not lower-case; texts are lower-cased because of do_lower_case of "
        "sentence_bert_config.json"
    )


def _state(component: Any) -> dict[str, Any]:
    """Return a component of a tokenizer as tokenizer.json has it; empty if it is ``None``."""
    if component is None:
        return {}
    state: dict[str, Any] = json.loads(component.__getstate__())
    return state


def _apply_template(
    draft: _Draft, options: TokenizerOptions, names: Mapping[str, str | None]
) -> None:
    """Put bos and eos around each text if the class does so, or a flag requests it."""
    before = after = around(draft.tokenizer)
    flags = {"add_bos_token": options.add_bos_token, "add_eos_token": options.add_eos_token}
    given = {name: value for name, value in flags.items() if value is not None}
    if draft.kind.template is not None:
        defaults = dict(zip(flags, draft.kind.template, strict=True))
        values = {name: bool(draft.settings.get(name, defaults[name])) for name in flags}
        after = with_tokens(([], []), {**values, **given}, names)
    elif given:
        after = with_tokens(before, given, names)
    else:
        draft.notes += unread_settings(draft.settings, draft.class_name, before, names)
    if after == before:
        return
    set_template(draft.tokenizer, after)
    reasons = ["the command line"] if given else [_source(draft, name) for name in flags]
    draft.changes.append(
        f"tokenizer.json encloses a text as {described(before)}; {described(after)} is used "
        f"because of {' and '.join(reasons)}"
    )


def _source(draft: _Draft, setting: str) -> str:
    """Return the origin of a setting's value, for messages."""
    if setting in draft.settings:
        return f"{setting} of tokenizer_config.json"
    return f"the default of {setting} in {draft.class_name}"
