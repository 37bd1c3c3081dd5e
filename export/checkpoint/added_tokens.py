"""Tokens that the files next to tokenizer.json add to it, or whose flags they change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from triton_embed.export.checkpoint.tokenizer_classes import ROLES, TokenizerClass
from triton_embed.export.checkpoint.tokenizer_settings import TOKEN_FLAGS, read_added_tokens
from triton_embed.export.errors import ExportError

MAX_NAMED_TOKENS = 5
"""Tokens that one message names at most, so that it stays readable."""


@dataclass(frozen=True)
class _Named:
    """A token that a file or a class names.

    Attributes:
        token: The token.
        by_file: Whether a file names it, and not only the class.
        is_text: Whether it has no flags of its own, so that it does not change those of a token
            that is registered already.
    """

    token: AddedToken
    by_file: bool
    is_text: bool = False


def add_tokens(
    tokenizer: Tokenizer,
    folder: Path,
    settings: Mapping[str, Any],
    kind: TokenizerClass,
    vocab_size: int,
) -> list[str]:
    """Add the tokens that the checkpoint's files and its tokenizer class have.

    Args:
        tokenizer: The tokenizer to change.
        folder: The folder of the tokenizer's files.
        settings: tokenizer_config.json with special_tokens_map.json.
        kind: The tokenizer class.
        vocab_size: Rows of the token table. A token that only the class names is left out if it
            would get an id outside of it.

    Returns:
        A sentence for each kind of change to tokenizer.json.

    Raises:
        ExportError: a setting is malformed.
    """
    before = _flags(tokenizer)
    try:
        listed = _listed(tokenizer, folder, settings)
        named = [_Named(token, True) for token in listed]
        named += _special(settings, kind, {token.content: token for token in listed})
    except (TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"tokenizer_config.json: a token cannot be read: {error}") from error
    for item in named:
        content = item.token.content
        if item.is_text and content in _flags(tokenizer):
            continue
        known = tokenizer.token_to_id(content) is not None
        if known or item.by_file or tokenizer.get_vocab_size() < vocab_size:
            tokenizer.add_tokens([item.token])
    after = _flags(tokenizer)
    added = [token for token in after if token not in before]
    changed = [token for token in before if after[token] != before[token]]
    return [
        *_sentence("registers tokens that tokenizer.json does not register", added),
        *_sentence("changes flags of tokens of tokenizer.json", changed),
    ]


def special_token_names(settings: Mapping[str, Any], kind: TokenizerClass) -> dict[str, str | None]:
    """Return the special token of each of `ROLES`; ``None``: there is none."""
    names = {}
    for role in ROLES:
        value = settings.get(role, kind.special.get(role))
        names[role] = value.get("content") if isinstance(value, dict) else value
    return names


def _listed(tokenizer: Tokenizer, folder: Path, settings: Mapping[str, Any]) -> list[AddedToken]:
    """Return the tokens of ``added_tokens_decoder``, or of the files of old versions, by id."""
    if "added_tokens_decoder" in settings:
        entries = (settings["added_tokens_decoder"] or {}).items()
        return [_token(value) for _, value in sorted(entries, key=lambda item: int(item[0]))]
    special = set(filter(None, map(_content, (settings.get(role) for role in ROLES))))
    legacy = read_added_tokens(folder)
    tokens = {
        index: AddedToken(content, normalized=content not in special, special=content in special)
        for content, index in legacy.items()
    }
    if (folder / "tokenizer.json").is_file():
        tokens |= tokenizer.get_added_tokens_decoder()
    return [tokens[index] for index in sorted(tokens)]


def _special(
    settings: Mapping[str, Any], kind: TokenizerClass, listed: Mapping[str, AddedToken]
) -> Iterator[_Named]:
    """Yield each special token once; the flags of `listed` tokens take precedence."""
    values = {role: settings.get(role, kind.special.get(role)) for role in ROLES}
    additional = settings.get("additional_special_tokens")
    seen: set[str] = set()
    for role, value in values.items():
        content = _content(value)
        if not content or content in seen:
            continue
        seen.add(content)
        token = listed.get(content) if role in settings else None
        if token is not None:
            yield _Named(_as_special(token), True)
            continue
        takes_space = role == "mask_token" and kind.mask_takes_space
        is_text = isinstance(value, str) and not (takes_space or kind.has_own_flags)
        token = _token(value, lstrip=takes_space)
        yield _Named(_as_special(token), role in settings, is_text)
    by_class: Collection[str] = kind.additional
    if additional is not None:
        listed_here = set(map(_content, additional))
        if not kind.keeps_additional or listed_here.intersection(kind.additional):
            by_class = ()
    for value in (*(additional or ()), *by_class):
        if _content(value) not in seen:
            seen.add(_content(value))
            token = _as_special(_token(value))
            yield _Named(token, value not in by_class, isinstance(value, str))


def _token(value: Any, *, lstrip: bool = False) -> AddedToken:
    """Return the token of a file's entry, which is its text or an object."""
    if isinstance(value, str):
        return AddedToken(value, lstrip=lstrip, special=True, normalized=False)
    return AddedToken(
        value["content"], **{flag: value[flag] for flag in TOKEN_FLAGS if flag in value}
    )


def _as_special(token: AddedToken) -> AddedToken:
    token.special = True
    return token


def _content(value: Any) -> str:
    return str(value["content"] if isinstance(value, dict) else value or "")


def _flags(tokenizer: Tokenizer) -> dict[str, tuple[bool, ...]]:
    return {
        token.content: tuple(getattr(token, flag) for flag in TOKEN_FLAGS)
        for token in tokenizer.get_added_tokens_decoder().values()
    }


def _sentence(predicate: str, tokens: list[str]) -> list[str]:
    if not tokens:
        return []
    names = ", ".join(f"'{token}'" for token in tokens[:MAX_NAMED_TOKENS])
    more = f" and {len(tokens) - MAX_NAMED_TOKENS} more" if len(tokens) > MAX_NAMED_TOKENS else ""
    return [f"tokenizer_config.json, or the class that it names, {predicate}: {names}{more}"]
